"""Knowledge: tables of logits, one row per training sample, extracted block by block."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from reid_srdl.data.batches import TrainingSet
from reid_srdl.errors import UserError
from reid_srdl.models.network import Network
from reid_srdl.training import checkpoint
from reid_srdl.training.fitting import Loop
from reid_srdl.training.interrupts import Interrupts
from reid_srdl.training.joining import Joining
from reid_srdl.training.logit_table import BLOCK_BYTES, LogitTable
from reid_srdl.training.monitor import Progress
from reid_srdl.training.phases import Phase

# On the host; a device of its own may take a quarter of its free memory, as images do.
HOST_BYTES = 256 * 2**20


class Extraction:
    """One ``extract`` phase at work (SRDL paper, Eq 5, before softening).

    Args:
        loop: what all phases share.
        phase: the phase; its seconds are filled in.
        network: whose logits, on the device.
        flip: the logits of each image and its mirror image are averaged.
        images: the training set.
        batch: images of a forward pass.
    """

    def __init__(
        self,
        loop: Loop,
        phase: Phase,
        network: Network,
        flip: bool,
        images: TrainingSet,
        batch: int,
    ) -> None:
        self._loop, self._phase = loop, phase
        self._network, self._flip, self._images, self._batch = network, flip, images, batch
        self._joining = Joining(loop.group)
        self._path = Path(f"{phase.stem(loop.folder)}.npy")
        self._shape = (len(images), network.classes)
        self._blocks: list[tuple[int, str]] = []  # rows and digest of each block on the disk

    def run(self) -> Tensor | LogitTable:
        """Returns the N x C float16 table, extracting the rows that it lacks.

        Raises:
            UserError: the logits are not finite: such knowledge is not kept.
            KeyboardInterrupt: a signal asked for a stop; whole blocks are kept.
        """
        table = self._begun() if self._joining.writes else None
        self._blocks = json.loads(self._joining.told(json.dumps(self._blocks)))
        if table is None:
            table = self._seen()
        done = sum(rows for rows, _ in self._blocks)
        self._loop.monitor.phase_opened(self._phase.name, done / len(table), [])
        if done < len(table):
            interrupts = Interrupts(self._joining)
            with interrupts.listening():
                self._fill(table, interrupts)
        if self._joining.size > 1:
            table = self._as_written(table)
        device = self._loop.compute.device
        return table.on(device) if table.nbytes <= _room(device) else table

    def _begun(self) -> LogitTable:
        """Opens the table that an earlier process began, as far as its blocks are what they were.

        Each block's digest stands in the phase's checkpoint: extraction goes on at the first one
        that is damaged.
        """
        saved = checkpoint.load(self._phase, self._loop.folder, self._loop.monitor.warned)
        table = self._readable() if saved else None
        if saved is None or table is None:
            return LogitTable.create(self._path, self._shape)
        self._phase.seconds = saved.facts["seconds"]
        self._phase.made_in |= checkpoint.made_in(saved)
        written = [(rows, digest) for rows, digest in saved.facts["blocks"]]
        self._blocks = written[: _whole_blocks(table, written)]
        if len(self._blocks) < len(written):
            first = sum(rows for rows, _ in self._blocks)
            self._loop.monitor.warned(
                f"{self._path}: damaged from row {first}; extracted again from there"
            )
            table = table.apart()
        return table

    def _seen(self) -> LogitTable:
        """Returns the table that process 0 has opened.

        Raises:
            UserError: this process does not see its file.
        """
        table = self._readable()
        if table is None:
            raise UserError(
                f"{self._path}: process {self._joining.rank} does not see this file, which process "
                "0 writes to",
                "name a folder of runs that all machines see: --runs DIR",
            )
        return table

    def _as_written(self, table: LogitTable) -> LogitTable:
        """Returns the table as process 0 has written it, once this process reads that, too.

        A network's disk shows what another machine wrote to whoever opens the file afterwards: an
        older map may go on showing zeros.

        Raises:
            UserError: this process reads something else.
        """
        written = json.loads(self._joining.told(json.dumps(self._blocks)))
        if self._joining.writes:
            return table
        table = self._seen()
        if _whole_blocks(table, written) < len(written):
            raise UserError(
                f"{self._path}: process {self._joining.rank} reads other knowledge than process 0 "
                "has written",
                "give the same command again; if it is so again, name another disk: --runs DIR",
            )
        return table

    def _readable(self) -> LogitTable | None:
        try:
            table = LogitTable.matching(self._path, self._shape)
            why = f"{self._path}: gone, or of another shape"
        except UserError as error:
            table, why = None, error.what
        if table is None:
            self._loop.monitor.warned(f"{why}; extracted again")
        return table

    def _fill(self, table: LogitTable, interrupts: Interrupts) -> None:
        """Extracts the rows that a table lacks; each block that is on the disk is a checkpoint."""
        first = sum(rows for rows, _ in self._blocks)
        block: list[Tensor] = []
        before, began = self._phase.seconds, time.perf_counter()
        finite = torch.ones((), dtype=torch.bool, device=self._loop.compute.device)
        for logits in self._logits(first):
            block.append(to_half(logits))
            finite &= torch.isfinite(logits).all()
            rows = sum(map(len, block))
            done, full = first + rows, rows * 2 * table.shape[1] >= BLOCK_BYTES
            asked = self._joining.any(interrupts.asked is not None)
            if full or done == len(table) or asked:
                if not bool(finite):
                    raise self._poisoned()
                self._phase.seconds = before + time.perf_counter() - began
                if self._joining.writes:
                    self._keep(table, first, torch.cat(block))
                self._joining.meet()
                first, block = done, []
            if asked:
                interrupts.stop()

    def _keep(self, table: LogitTable, first: int, block: Tensor) -> None:
        """Writes some rows, and what tells that they are there."""
        table.write(first, block)
        done = first + len(block)
        self._blocks.append((len(block), _digest(table, first, len(block))))
        facts = {"blocks": self._blocks, "finished": done == len(table)}
        facts["made_in"] = sorted(self._phase.made_in)
        checkpoint.save(self._phase, self._loop.folder, done, {}, facts)

    def _poisoned(self) -> UserError:
        return UserError(
            f"phase {self._phase.name!r}: the network answers NaN or infinity for training images",
            "learn from another network: train it with a lower optim.lr",
        )

    @torch.inference_mode()
    def _logits(self, first: int) -> Iterator[Tensor]:
        """Yields B x C float32 logits of the clean view, in sample order from ``first`` on.

        Several processes answer B images each at a time, and have the logits of all.
        """
        batch = self._batch * self._joining.size
        steps = -(-len(self._images) // batch)
        left = len(self._images) - first
        mine = self._images.clean(self._batch, first, self._joining.part)
        began = time.perf_counter()
        for step in range(first // batch + 1, first // batch + 1 - (-left // batch)):
            logits = self._gathered(self._answers(next(mine, None)))
            rate = (step * batch - first) / (time.perf_counter() - began)
            self._loop.monitor.progressed(Progress(self._phase.name, 1, 1, step, steps, rate))
            yield logits[:left]
            left -= len(logits)

    def _answers(self, clean: Tensor | None) -> Tensor:
        """Returns a network's logits for some images; None: this process has none left."""
        network = self._network.eval()
        if clean is None:
            return network.classifier.weight.new_empty(0, network.classes)
        with self._loop.compute.autocast():
            logits: Tensor = network(clean).logits
            if self._flip:
                logits = (logits + network(clean.flip(3)).logits) / 2
        return logits

    def _gathered(self, own: Tensor) -> Tensor:
        """Returns the logits of all processes; of the last images there may be too many rows."""
        if self._joining.size == 1:
            return own
        whole = own.new_zeros(self._batch, own.shape[1])
        whole[: len(own)] = own
        (gathered,) = self._joining.gathered([whole])
        return gathered


def check_blocks(path: Path, blocks: Sequence[tuple[int, str]]) -> None:
    """Checks that a table's blocks are what was written.

    Args:
        path: the table.
        blocks: rows and digest of each.

    Raises:
        UserError: one is not, or the table is gone.
    """
    if _whole_blocks(LogitTable(path), blocks) < len(blocks):
        raise UserError(f"{path}: damaged: its content does not have its checksum", "delete it")


def _whole_blocks(table: LogitTable, blocks: Sequence[tuple[int, str]]) -> int:
    """Returns how many blocks, from the first, are what was written."""
    first = 0
    for count, (rows, digest) in enumerate(blocks):
        if _digest(table, first, rows) != digest:
            return count
        first += rows
    return len(blocks)


def to_half(logits: Tensor) -> Tensor:
    """Returns logits as float16, clamped to its range instead of overflowing."""
    limit = torch.finfo(torch.float16).max
    return logits.clamp(-limit, limit).half()


def _digest(table: LogitTable, first: int, rows: int) -> str:
    """Returns a hash of some rows as they stand in the file."""
    return hashlib.blake2b(table.bytes_of(first, rows), digest_size=16).hexdigest()


def _room(device: torch.device) -> int:
    """Returns the bytes that a table may take on a device.

    ImageNet's table (1.28 M x 1000) takes 2.4 GiB: on the host it stays in its file, on a GPU it
    moves there block by block, so that the host never holds more than a block.
    """
    if device.type != "cuda":
        return HOST_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return free // 4
