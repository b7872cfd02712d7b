"""CWTM, confidence weighted by the teacher maximum: a control of BAN (Furlanello et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.config import Temperature
from reid_srdl.methods.generations import SuccessorOptions, generations
from reid_srdl.methods.reference import Reference
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class CWTMOptions(SuccessorOptions):
    """Confidence weighted by the teacher's maximum."""

    name: str = "cwtm"
    temperature: Temperature = Field(1.0, description="T, which softens the teacher's prediction")


@dataclass(frozen=True)
class Confident(Loss):
    """L = sum_s (w_s / sum_u w_u) L_labels(s), w_s = max_j p_{k-1}(j | x_s).

    Attributes:
        labels: the recipe's loss of the labels.
        knowledge, temperature, standardise: as in `methods.ban.BornAgain`.
    """

    labels: LabelLoss
    knowledge: Reference
    temperature: float
    standardise: bool

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms as ``weighted_NAME``."""
        from reid_srdl.training.terms import softened

        z_before = self.knowledge.logits(outputs, batch)
        w = softened(z_before, self.temperature, self.standardise).amax(dim=1)
        w = w * batch.weight  # a hidden label has no weight
        # Of mean 1 over the known labels: what a weighted mean divides by is then their number.
        w = w * batch.weight.sum() / w.sum().clamp(min=1e-12)
        weighted = self.labels.of(outputs.own, replace(batch, weight=w))
        return {f"weighted_{name}": term for name, term in weighted.items()}


def cwtm(trainer: Planner, epochs: int, options: CWTMOptions) -> dict[str, Model]:
    """Trains each generation by labels, weighted by how sure the one before it is."""
    T, standardise = options.temperature, options.standardise  # noqa: N806

    def loss(p: Reference) -> Loss:
        return Confident(trainer.supervised, p, T, standardise)

    return generations(trainer, epochs, options.generations, options.view, loss, "cwtm")
