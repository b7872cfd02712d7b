"""Vanilla training (SRDL paper, section 3.2): one stage of cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reid_srdl.config import MethodOptions

if TYPE_CHECKING:
    from reid_srdl.training.trainer import Model, Trainer


class VanillaOptions(MethodOptions):
    """One network, or several that share the epochs, for an ensemble of equal cost."""

    name: str = "vanilla"
    models: int = Field(1, ge=1, description="independent networks, each of epochs // models")

    @property
    def minimum_epochs(self) -> int:
        """One for each network."""
        return self.models

    def networks(self) -> tuple[str, ...]:
        """``vanilla``, ``vanilla-2``, ``vanilla-3``, ..."""
        return ("vanilla", *(f"vanilla-{number}" for number in range(2, self.models + 1)))


def vanilla(trainer: Trainer, epochs: int, options: VanillaOptions) -> dict[str, Model]:
    """Trains networks by cross-entropy (Eq 2), each under a complete decay (Eq 3).

    With two networks of M/2 epochs each, their ensemble is the one of the paper's Table 6.

    NOTE: where ``models`` does not divide the epochs, the remainder is not trained.
    """
    from reid_srdl.training.losses import cross_entropy  # brings torch, so only when it runs

    share = epochs // options.models
    models = {}
    for name in options.networks():
        draw = "init" if name == "vanilla" else name
        model = trainer.new_model(draw)
        models[name] = trainer.fit(model, epochs=share, loss=cross_entropy, name=name)
    return models
