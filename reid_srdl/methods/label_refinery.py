"""Label Refinery (Bagherinezhad et al. 2018, Label Refinery: Improving ImageNet Classification)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reid_srdl.methods.generations import GenerationsOptions, generations
from reid_srdl.methods.reference import Reference
from reid_srdl.training.losses import Loss, Outputs

if TYPE_CHECKING:
    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.terms import Terms
    from reid_srdl.training.values import Model


class LabelRefineryOptions(GenerationsOptions):
    """Generations, each of which labels the very crops that the next one trains on."""

    name: str = "label-refinery"


@dataclass(frozen=True)
class Refined(Loss):
    """L = KL(sg p_{t-1}(f(X)) || p_t(f(X))), f the same random crop for both; no labels, T = 1.

    Attributes:
        refiner: logits of network t-1, in evaluation mode.
    """

    refiner: Reference

    def __call__(self, outputs: Outputs, batch: Batch) -> Terms:
        """Returns ``kl``."""
        from reid_srdl.training.terms import soft_kl

        z_before, z = self.refiner.logits(outputs, batch), outputs.own.logits
        return {"kl": soft_kl(z_before, z, 1.0)}


def label_refinery(
    trainer: Planner, epochs: int, options: LabelRefineryOptions
) -> dict[str, Model]:
    """Trains network 1 by labels, then network t by what network t-1 says of each crop."""
    return generations(trainer, epochs, options.generations, "online", Refined, "label-refinery")
