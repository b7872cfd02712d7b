"""What a network knows of the training set: its logits, one row per sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reid_srdl.training.logit_table import LogitTable

# On the host; a device of its own may take a quarter of its free memory, as images do.
HOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Knowledge:
    """A table of logits, looked up by sample index (SRDL paper, Eq 5, before softening).

    Attributes:
        logits: N x C float16, on the training device or, where that has no room, in a file;
            softened when read, because float16 probabilities underflow.
        key: names the phase that made it.
    """

    logits: Tensor | LogitTable
    key: str

    def logits_of(self, index: Tensor) -> Tensor:
        """Returns B x C float32 logits of the samples in ``index`` (B int64), on its device."""
        return self.logits[index].float()


def knowledge_in(table: LogitTable, device: torch.device, key: str) -> Knowledge:
    """Returns a finished table's knowledge: on the device where it fits easily, else in its file.

    ImageNet's table (1.28 M x 1000) takes 2.4 GiB: on the host it stays in the file, on a GPU it
    moves there block by block, so that the host never holds more than a block.
    """
    logits = table.on(device) if table.nbytes <= _room(device) else table
    return Knowledge(logits, key)


def _room(device: torch.device) -> int:
    """Returns the bytes that a table may take on a device."""
    if device.type != "cuda":
        return HOST_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return free // 4


def to_half(logits: Tensor) -> Tensor:
    """Returns logits as float16, clamped to its range instead of overflowing."""
    limit = torch.finfo(torch.float16).max
    return logits.clamp(-limit, limit).half()
