"""Networks that follow one another, each taught by the one before: what such methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.config import MethodOptions, Temperature
from reid_srdl.methods.reference import KnowledgeOptions, KnowledgeView, Reference, consult
from reid_srdl.training.losses import Loss

if TYPE_CHECKING:
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.values import Model


class GenerationsOptions(MethodOptions):
    """How many networks follow one another."""

    generations: int = Field(
        2, ge=2, le=1000, description="networks in all, the labels' own included; they share epochs"
    )


class SuccessorOptions(KnowledgeOptions, GenerationsOptions):
    """Generations that are taught by the answers of the one before; the paper's T is 1."""

    temperature: Temperature = Field(1.0, description="T, which softens both predictions")


def shares(epochs: int, parts: int) -> Iterator[tuple[int, int]]:
    """Yields (start, epochs) of each part of a run; the last takes what is left over.

    >>> list(shares(7, 3))
    [(0, 2), (2, 2), (4, 3)]
    """
    share = epochs // parts
    for part in range(parts):
        start = part * share
        yield start, epochs - start if part == parts - 1 else share


def generations(
    trainer: Planner,
    epochs: int,
    count: int,
    view: KnowledgeView,
    loss: Callable[[Reference], Loss],
    name: str,
) -> dict[str, Model]:
    """Trains generation 1 by the labels, then each by ``loss`` of the one before, from new weights.

    NOTE: the sources train each generation as long as the first; here all share the run's epochs,
    so that methods compare at equal cost.

    Args:
        trainer: whose verbs are used.
        epochs: of all generations together.
        count: generations in all.
        view: the images that a generation answers for the next.
        loss: makes a generation's loss from the answers of the one before.
        name: under which the last generation is returned.

    Returns:
        The last generation, then the others from the first on; the ensemble of all is judged, too.
    """
    (_, first), *later = shares(epochs, count)
    start = trainer.new_model()
    models = [trainer.fit(start, epochs=first, loss=trainer.supervised, name="generation-1")]
    for k, (_, share) in enumerate(later, start=2):
        known = "knowledge" if k == 2 else f"knowledge-{k - 1}"
        answers, consulted = consult(trainer, view, models[-1], name=known)
        phase = f"generation-{k}"
        start = trainer.new_model(phase)
        theta = trainer.fit(start, epochs=share, loss=loss(answers), name=phase, frozen=consulted)
        models.append(theta)
    earlier = {f"generation-{k}": model for k, model in enumerate(models[:-1], start=1)}
    trainer.ensemble(name, *earlier)
    return {name: models[-1], **earlier}
