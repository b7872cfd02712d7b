"""Averages of weights over the steps (Polyak and Juditsky 1992), by exponential decay."""

from __future__ import annotations

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from reid_srdl.training.parts import Parts


class Averages:
    """Keeps a_t = d a_(t-1) + (1 - d) w_t of each weight w, a_0 = w_0; buffers are copied.

    Args:
        parts: of a phase; the networks that hold its averages begin as the others do.
        decay: d, 0 to 1; None: no averages are kept.
    """

    def __init__(self, parts: Parts, decay: float | None) -> None:
        averaged = parts.kept.get("ema", {})
        self._pairs = [(own, parts.networks[name]) for name, own in averaged.items()]
        self._average = get_ema_multi_avg_fn(  # type: ignore[no-untyped-call]
            1.0 if decay is None else decay
        )

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights after a step."""
        for averaged, network in self._pairs:
            self._average(list(averaged.parameters()), list(network.parameters()), None)
            for ours, theirs in zip(averaged.buffers(), network.buffers(), strict=True):
                ours.copy_(theirs)
