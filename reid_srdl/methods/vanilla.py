"""Vanilla training (SRDL paper, section 3.2): one stage of cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reid_srdl.config import MethodOptions

if TYPE_CHECKING:
    from reid_srdl.training.trainer import Model, Trainer


class VanillaOptions(MethodOptions):
    """Vanilla training has no options."""

    name: str = "vanilla"


def vanilla(trainer: Trainer, epochs: int, options: VanillaOptions) -> dict[str, Model]:
    """Trains a network for ``epochs`` epochs by cross-entropy (Eq 2) under the decay of Eq 3."""
    from reid_srdl.training.losses import cross_entropy  # brings torch, so only when it runs

    model = trainer.fit(trainer.new_model(), epochs=epochs, loss=cross_entropy, name="vanilla")
    return {"vanilla": model}
