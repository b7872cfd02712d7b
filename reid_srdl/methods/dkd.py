"""Decoupled knowledge distillation (Zhao et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.config import Temperature
from reid_srdl.methods.reference import KnowledgeOptions, Reference, consult
from reid_srdl.methods.teachers import TeacherOptions, taught_by
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class DKDOptions(KnowledgeOptions, TeacherOptions):
    """The weights of both parts, as the paper has them for CIFAR-100."""

    name: str = "dkd"
    temperature: Temperature = Field(4.0, description="T, which softens both predictions")
    alpha: float = Field(1.0, ge=0, le=1e4, description="weight of the target class's part, TCKD")
    beta: float = Field(8.0, ge=0, le=1e4, description="weight of the other classes' part, NCKD")


@dataclass(frozen=True)
class Decoupled(Loss):
    """L = L_labels + T^2 (alpha TCKD + beta NCKD).

    TCKD is the KL divergence of (target, all others) as two classes, NCKD that among the others
    alone: KD is TCKD + (1 - p_target) NCKD. NOTE: both need the label, so a sample whose label is
    hidden has neither.

    Attributes:
        labels: the recipe's loss of the labels.
        knowledge: the teacher's logits.
        temperature: T.
        alpha, beta: the weights.
        standardise: logits are replaced by their z-scores first.
    """

    labels: LabelLoss
    knowledge: Reference
    temperature: float
    alpha: float
    beta: float
    standardise: bool

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms, ``tckd`` and ``nckd``."""
        from reid_srdl.training.map_terms import decoupled
        from reid_srdl.training.terms import standardised, weighted_mean

        (z_t,), z_s = self.knowledge.logits(outputs, batch), outputs.own.logits
        if self.standardise:
            z_t, z_s = standardised(z_t), standardised(z_s)
        T = self.temperature  # noqa: N806 - the paper's name
        TCKD, NCKD = decoupled(z_t, z_s, batch.labels, T)  # noqa: N806
        return {
            **self.labels.of(outputs.own, batch),
            "tckd": T**2 * self.alpha * weighted_mean(TCKD, batch.weight),
            "nckd": T**2 * self.beta * weighted_mean(NCKD, batch.weight),
        }


def dkd(trainer: Planner, epochs: int, options: DKDOptions) -> dict[str, Model]:
    """Distils a teacher's knowledge, the target class's and the others' weighed apart."""
    teacher = taught_by(trainer, options, epochs, online=options.view == "online")
    knowledge, consulted = consult(trainer, options.view, teacher)
    weights = (options.temperature, options.alpha, options.beta, options.standardise)
    loss = Decoupled(trainer.supervised, knowledge, *weights)
    student = trainer.new_model()
    return {"dkd": trainer.fit(student, epochs=epochs, loss=loss, name="dkd", frozen=consulted)}
