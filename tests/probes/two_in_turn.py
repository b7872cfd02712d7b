"""Two networks that teach each other in turn, each with the other's refreshed answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reid_srdl.config import MethodOptions
from reid_srdl.methods import Method
from reid_srdl.training.losses import LabelLoss, Loss


class Options(MethodOptions):
    """Whether the peers' answers are refreshed."""

    in_turn: bool = True


@dataclass(frozen=True)
class Mutual(Loss):
    """CE + KL(p_peer || p) at T = 1 (Deep Mutual Learning, Eq 5)."""

    labels: LabelLoss

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from reid_srdl.training.terms import soft_kl

        (peer,) = outputs.peers.values()
        kl = soft_kl(peer.logits, outputs.own.logits, 1.0)
        return {**self.labels.of(outputs.own, batch), "kl": kl}


def two(trainer: Any, epochs: int, options: Options) -> Any:
    """Trains both for all epochs."""
    starts = {"one": trainer.new_model(), "other": trainer.new_model("other")}
    losses = dict.fromkeys(starts, Mutual(trainer.supervised))
    return trainer.fit_together(
        starts, losses, epochs=epochs, name="mutual", in_turn=options.in_turn
    )


program = Method(two, Options, "two networks that teach each other in turn")
