"""What a network knows of the training set: its logits, one row per sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Knowledge:
    """A table of logits, looked up by sample index (SRDL paper, Eq 5, before softening).

    Attributes:
        logits: N x C float16, on the training device; softened when read, because float16
            probabilities underflow.
        key: names the phase that made it.
    """

    logits: Tensor
    key: str

    def logits_of(self, index: Tensor) -> Tensor:
        """Returns B x C float32 logits of the samples in ``index`` (B int64)."""
        return self.logits[index].float()


def to_half(logits: Tensor) -> Tensor:
    """Returns logits as float16, clamped to its range instead of overflowing."""
    limit = torch.finfo(torch.float16).max
    return logits.clamp(-limit, limit).half()
