"""What several processes that train one network do together, between what each does alone.

All draw the same batches, and each forwards a part of the images. What the networks answer is
gathered, so that each process has the losses of the whole batch; the gradient of the networks that
flows through its own images is then added up over all. It is what DistributedDataParallel does,
without its overlap, but that averages, wraps one forward pass, and wants every parameter used.

In one process each of these does nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.models.network import Output
from reid_srdl.training import checkpoint
from reid_srdl.training.gathering import bytes_of, from_bytes, split, tensors_of, with_tensors
from reid_srdl.training.phases import Phase
from reid_srdl.training.synchronised import synchronised

# Whether a signal asks for a stop, and whether a checkpoint is due.
Wish = Callable[[], tuple[bool, bool]]


class Joining:
    """A phase's processes.

    Args:
        group: all of them.
        wish: what this process wishes for; checkpoints are due by process 0's clock.

    Attributes:
        rank, size: which process this is, of how many.
    """

    def __init__(self, group: Group | None = None, wish: Wish = lambda: (False, False)) -> None:
        self._group = group or Alone()
        self.rank, self.size = self._group.rank, self._group.size
        self.wish = wish
        self._agreed = (False, False)

    @property
    def part(self) -> tuple[int, int]:
        """Which part of each batch is this process's, of how many."""
        return self.rank, self.size

    @property
    def writes(self) -> bool:
        """True in the one process that decides what exists, and writes it."""
        return self.rank == 0

    # Within a step

    def whole(self, outputs: dict[str, Output]) -> dict[str, Output]:
        """Returns what networks answer for the whole batch, from their answers for the parts.

        This process's own part has its gradient; the others' have none.
        """
        if self.size == 1:
            return outputs
        own = [value for output in outputs.values() for value in tensors_of(output)]
        gathered = iter(self.gathered(own))
        return {name: with_tensors(output, gathered) for name, output in outputs.items()}

    @torch.no_grad()
    def gathered(self, own: list[Tensor]) -> list[Tensor]:
        """Returns tensors that are one after another what each process has, first dimension first.

        One message takes all of them, as bytes, whatever their types.
        """
        if not own:
            return []
        sent = torch.cat([bytes_of(value) for value in own])
        parts = [torch.empty_like(sent) for _ in range(self.size)]
        self._sum(partial(distributed.all_gather, parts, sent, async_op=True), sent)
        sizes = [value.numel() * value.element_size() for value in own]
        pieces = zip(*(split(part, sizes) for part in parts), strict=True)
        return [self._joined(value, list(of)) for value, of in zip(own, pieces, strict=True)]

    def _joined(self, own: Tensor, pieces: list[Tensor]) -> Tensor:
        """Returns the whole of one tensor, in the own part's layout and with its gradient."""
        values = []
        for rank, piece in enumerate(pieces):
            theirs = torch.empty_like(own).copy_(from_bytes(piece, own))
            values.append(own if rank == self.rank else theirs)
        with torch.enable_grad():
            return torch.cat(values)

    @torch.no_grad()
    def gradients(self, own: Iterable[nn.Parameter], whole: Iterable[nn.Parameter]) -> None:
        """Joins gradients, and tells all processes what each wishes for.

        Args:
            own: whose gradients flow through each process's own images: they are added up.
            whole: whose gradients are of the whole batch already: process 0's are taken, lest
                unlike processors round them apart.
        """
        if self.size == 1:
            return
        parts = [p.grad for p in own if p.grad is not None]
        parts += [p.grad.mul_(self.writes) for p in whole if p.grad is not None]
        wish = parts[0].new_tensor(self._wished())
        flat = torch.cat([*(part.reshape(-1) for part in parts), wish])
        self._sum(partial(distributed.all_reduce, flat, async_op=True), flat)
        *joined, agreed = split(flat, [*(part.numel() for part in parts), len(wish)])
        for part, values in zip(parts, joined, strict=True):
            part.copy_(values.view(part.shape))
        if flat.device.type != "cpu":  # reading it would wait for the whole step
            agreed = torch.tensor(self._wished())
            self._group.sum(partial(distributed.all_reduce, agreed, async_op=True))
        stop, due = agreed.tolist()
        self._agreed = stop > 0, due > 0

    def _sum(self, begin: Callable[[], Any], moved: Tensor) -> None:
        """Waits for a sum, or the like; on CUDA only what is computed with it later does.

        There a lost process is noticed by the messages of each step that CPUs exchange.
        """
        if moved.device.type == "cpu":
            self._group.sum(begin)
        else:
            begin().wait()

    def _wished(self) -> list[float]:
        stop, due = self.wish()
        return [float(stop), float(due and self.writes)]

    # Between steps

    def agreed(self) -> tuple[bool, bool]:
        """Returns whether all stop after this step, and whether a checkpoint is due."""
        return self.wish() if self.size == 1 else self._agreed

    def any(self, wished: bool) -> bool:
        """Says whether any process wishes for something."""
        if self.size == 1:
            return wished
        told = torch.tensor([float(wished)])
        self._group.sum(partial(distributed.all_reduce, told, async_op=True))
        return bool(told > 0)

    def draws(self, seed: Callable[[int, int], int], step: int) -> None:
        """Gives each process generators of its own for a step, whatever was drawn before.

        Args:
            seed: of a step and a process.
            step: of the epoch.
        """
        if self.size > 1:
            torch.manual_seed(seed(step, self.rank))

    def meet(self) -> None:
        """Waits until all are here, however long one of them takes."""
        self._group.meet()

    def check(self) -> None:
        """Raises where another process was lost."""
        self._group.check()

    def told(self, text: str) -> str:
        """Returns what process 0 says."""
        return self._group.texts(text)[0]

    def decided(self, score: Callable[[], float]) -> float:
        """Returns what process 0 comes to, to the bit, where all work on it."""
        value = score()
        return value if self.size == 1 else float.fromhex(self.told(value.hex()))

    @torch.no_grad()
    def buffers(self, modules: Iterable[nn.Module]) -> None:
        """Gives all processes the buffers of process 0, such as running statistics."""
        own = [buffer for module in modules for buffer in module.buffers()]
        if self.size == 1 or not own:
            return
        sent = torch.cat([bytes_of(buffer) for buffer in own])
        self._group.meet()
        self._sum(partial(distributed.broadcast, sent, 0, async_op=True), sent)
        pieces = split(sent, [buffer.numel() * buffer.element_size() for buffer in own])
        for buffer, piece in zip(own, pieces, strict=True):
            buffer.copy_(from_bytes(piece, buffer))

    def load(
        self, phase: Phase, folder: Path, warn: Callable[[str], None]
    ) -> checkpoint.Saved | None:
        """Returns the newest state of a phase that process 0 finds whole, in all processes.

        Raises:
            UserError: this process does not see its file.
        """
        saved = checkpoint.load(phase, folder, warn) if self.writes else None
        if self.size == 1:
            return saved
        name = self.told(saved.path.name if saved else "")
        if self.writes or not name:
            return saved
        try:
            return checkpoint.read(folder / name)
        except UserError as error:
            raise UserError(
                f"process {self.rank} cannot read what process 0 reads: {error.what}",
                "name a folder of runs that all machines see: --runs DIR",
            ) from None

    def synchronised(
        self, networks: Mapping[str, nn.Module]
    ) -> contextlib.AbstractContextManager[None]:
        """Lets batch norms on CUDA take the statistics of the whole batch while it lasts."""
        several = networks.values() if self.size > 1 else ()
        return synchronised(several)
