"""Relational knowledge distillation (Park et al. 2019): distances and angles of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.data import find_entry
from reid_srdl.errors import UserError
from reid_srdl.methods.teachers import TeacherOptions, taught_by
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model

_WEIGHTS = {"classification": (25.0, 50.0), "reid": (1.0, 2.0)}  # lambda_D, lambda_A


class RKDOptions(TeacherOptions):
    """The weights of both terms, as the paper has them for the kind of task."""

    name: str = "rkd"
    distance: float | None = Field(
        None, ge=0, le=1e6, description="lambda_D; default: 25 for classes, 1 for re-id"
    )
    angle: float | None = Field(
        None, ge=0, le=1e6, description="lambda_A; default: 50 for classes, 2 for re-id"
    )


@dataclass(frozen=True)
class Relational(Loss):
    """L = L_labels + lambda_D Huber(psi_D) + lambda_A Huber(psi_A).

    psi_D is the distance of two features over the batch's mean distance, psi_A the cosine of the
    angle that three features make; on the features that retrieval ranks. NOTE: both are means, over
    pairs of two samples and over all triples, as in the authors' code; the paper writes sums.

    Attributes:
        labels: the recipe's loss of the labels.
        lambda_D, lambda_A: the weights.
    """

    labels: LabelLoss
    lambda_D: float  # noqa: N815 - the paper's names
    lambda_A: float  # noqa: N815

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns the labels' terms, ``distance`` and ``angle``."""
        import torch.nn.functional as F

        from reid_srdl.training.map_terms import angles, between_pairs, relative_distances

        s, t = outputs.own.features, outputs.frozen["teacher"].features
        L_D = between_pairs(relative_distances(s), relative_distances(t))  # noqa: N806
        L_A = F.smooth_l1_loss(angles(s), angles(t))  # noqa: N806
        return {
            **self.labels.of(outputs.own, batch),
            "distance": self.lambda_D * L_D,
            "angle": self.lambda_A * L_A,
        }


def rkd(trainer: Planner, epochs: int, options: RKDOptions) -> dict[str, Model]:
    """Trains a student by labels and by how a teacher's features of the very crops stand apart.

    The teacher may know other identities, or have features of another length.

    Raises:
        UserError: a batch of two or one: its one distance is its own mean, and it has no angle.
    """
    if (size := trainer.setting.optimisation.batch_size) < 3:
        raise UserError(
            f"rkd: batches of {size} make no relations: they take three images or more",
            "raise optim.batch_size, or choose another method, e.g. kd",
            usage=True,
        )
    teacher = taught_by(trainer, options, epochs, online=True, logits=False)
    usual_D, usual_A = _WEIGHTS[find_entry(trainer.setting.data.name).task]  # noqa: N806
    lambda_D = usual_D if options.distance is None else options.distance  # noqa: N806
    lambda_A = usual_A if options.angle is None else options.angle  # noqa: N806
    loss = Relational(trainer.supervised, lambda_D, lambda_A)
    frozen, student = {"teacher": teacher}, trainer.new_model()
    return {"rkd": trainer.fit(student, epochs=epochs, loss=loss, name="rkd", frozen=frozen)}
