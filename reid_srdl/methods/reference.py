"""Whose logits a loss softens, and how: what all methods that learn from logits share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reid_srdl.config import MethodOptions, Temperature
from reid_srdl.training.losses import Outputs
from reid_srdl.training.values import Knowledge, Model

if TYPE_CHECKING:
    from torch import Tensor

    from reid_srdl.data.batches import Batch
    from reid_srdl.training.plan import Planner

KnowledgeView = Literal["clean", "clean+flip", "online"]


class SofteningOptions(MethodOptions):
    """How logits become soft targets."""

    temperature: Temperature = Field(3.0, description="T, which softens both predictions")
    standardise: bool = Field(
        False, description="z-scores of each image's logits before T (Sun et al. 2024)"
    )


class KnowledgeOptions(SofteningOptions):
    """How logits become soft targets, and of which images they are."""

    view: KnowledgeView = Field(
        "clean",
        description="images whose logits are the knowledge: clean+flip averages both; online: the "
        "very crops of each batch, which costs a forward pass per step",
    )


@dataclass(frozen=True)
class Consulted:
    """What networks answer on the very crops of a batch, in place of extracted knowledge.

    Attributes:
        names: under which a phase consults them.
    """

    names: tuple[str, ...]

    def logits(self, outputs: Outputs, batch: Batch) -> tuple[Tensor, ...]:
        """Returns B x C logits of each network, none of which has a gradient."""
        return tuple(outputs.frozen[name].logits for name in self.names)


Reference = Knowledge | Consulted


def consult(
    trainer: Planner, view: KnowledgeView, *models: Model, name: str = "knowledge"
) -> tuple[Reference, dict[str, Model]]:
    """Makes models a reference: extracts what they know, or has them answer each batch.

    Args:
        trainer: whose verbs are used.
        view: the images whose logits are wanted.
        models: whose knowledge is wanted; of several each is softened, then they are averaged.
        name: of the extraction's phase.

    Returns:
        The reference, and the networks that its phase must consult (``fit(frozen=...)``).
    """
    if view != "online":
        return trainer.extract(*models, name=name, flip=view == "clean+flip"), {}
    names = ("teacher", *(f"teacher-{number}" for number in range(2, len(models) + 1)))
    frozen = dict(zip(names, models, strict=True))
    return Consulted(tuple(frozen)), frozen
