"""Vanilla training (SRDL paper, section 3.2): one stage of cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.config import MethodOptions

if TYPE_CHECKING:
    from reid_srdl.training.plan import Planner
    from reid_srdl.training.values import Model


class VanillaOptions(MethodOptions):
    """One network, or several that share the epochs, for an ensemble of equal cost."""

    name: str = "vanilla"
    models: int = Field(
        1, ge=1, le=1000, description="independent networks, each of epochs // models"
    )


def vanilla(trainer: Planner, epochs: int, options: VanillaOptions) -> dict[str, Model]:
    """Trains networks by cross-entropy (Eq 2), each under a complete decay (Eq 3).

    With two networks of M/2 epochs each, their ensemble is the one of the paper's Table 6.

    NOTE: where ``models`` does not divide the epochs, the remainder is not trained.
    """
    share = epochs // options.models
    models = {}
    for number in range(1, options.models + 1):
        name = "vanilla" if number == 1 else f"vanilla-{number}"
        start = trainer.new_model("init" if number == 1 else name)
        models[name] = trainer.fit(start, epochs=share, loss=trainer.supervised, name=name)
    return models
