"""Born-again networks (Furlanello et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.methods.generations import SuccessorOptions, generations
from reid_srdl.methods.reference import Reference
from reid_srdl.training.losses import LabelLoss, Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class BANOptions(SuccessorOptions):
    """Born-again networks; the paper's T is 1."""

    name: str = "ban"
    labels: bool = Field(False, description="add the loss of the labels: BAN+L")


@dataclass(frozen=True)
class BornAgain(Loss):
    """L = T^2 CE(sg p_{k-1}, q_k), the labels' loss added in BAN+L.

    Attributes:
        knowledge: logits of generation k-1.
        temperature: T, which softens both predictions.
        standardise: logits are replaced by their z-scores first.
        labels: the recipe's loss of the labels; None: the labels are not seen.
    """

    knowledge: Reference
    temperature: float
    standardise: bool
    labels: LabelLoss | None = None

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns ``soft_ce``, after the labels' terms where there are any."""
        from reid_srdl.training.terms import soft_cross_entropy

        z_before, z = self.knowledge.logits(outputs, batch), outputs.own.logits
        T = self.temperature  # noqa: N806 - the papers' name
        hard = self.labels.of(outputs.own, batch) if self.labels else {}
        soft = soft_cross_entropy(z_before, z, T, self.standardise)
        return {**hard, "soft_ce": T**2 * soft}


def ban(trainer: Planner, epochs: int, options: BANOptions) -> dict[str, Model]:
    """Trains each generation by the predictions of the one before it alone, from new weights."""
    T, standardise = options.temperature, options.standardise  # noqa: N806
    labels = trainer.supervised if options.labels else None

    def loss(p: Reference) -> Loss:
        return BornAgain(p, T, standardise, labels)

    return generations(trainer, epochs, options.generations, options.view, loss, "ban")
