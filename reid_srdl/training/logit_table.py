"""A table of logits on the disk, written block by block and read by memory map."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.places import writing

BLOCK_BYTES = 32 * 2**20


class LogitTable:
    """N x C float16 logits in a ``.npy`` file; the whole table is never in memory.

    A memory map counts what was touched as resident until it is told otherwise, which after an
    epoch is all of it. So each read gives its pages back; they stay in the system's cache of
    files, and the next read finds them there.

    Args:
        path: the file, as ``create`` made it.

    Raises:
        UserError: the file is damaged or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._rows = np.load(path, mmap_mode="r")
        except Exception:  # cut short, foreign, a pickle, or whatever a damaged head leads to
            raise _refused(path) from None
        if self._rows.ndim != 2 or self._rows.dtype != np.float16:
            raise _refused(path)
        self.shape: tuple[int, int] = self._rows.shape
        _advise(self._rows, "MADV_RANDOM")

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int]) -> LogitTable:
        """Makes a table of N x C zeros, which take no room on the disk yet.

        What stood there stays as it is where it has another name, too: other runs may read it.
        """
        with writing(path, "the knowledge"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        return cls(path)

    @classmethod
    def matching(cls, path: Path, shape: tuple[int, int]) -> LogitTable | None:
        """Opens the table at ``path``; None where there is none of this shape."""
        if not path.exists():
            return None
        table = cls(path)
        return table if table.shape == shape else None

    def apart(self) -> LogitTable:
        """Returns the table in a file of its own, to write to: other runs may read the old one."""
        if self.path.stat().st_nlink == 1:
            return self
        with whole_file(self.path, "the knowledge") as temporary:
            shutil.copyfile(self.path, temporary)
        return LogitTable(self.path)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of the table, wherever they are."""
        return int(self._rows.nbytes)

    def fills_its_file(self) -> bool:
        """Says whether the file ends where the table does."""
        return bool(self.path.stat().st_size == self._rows.offset + self.nbytes)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Returns the B x C rows of ``index`` (B int64), on its device.

        NOTE: on CUDA this waits for the index; only a table without room there is read this way.
        """
        rows = torch.from_numpy(self._rows[index.cpu().numpy()])
        _advise(self._rows, "MADV_DONTNEED")
        return rows.to(index.device, non_blocking=True)

    def write(self, first: int, rows: Tensor) -> None:
        """Puts rows at ``first`` and onwards on the disk.

        It writes to the file, not through the map: on a full disk that is an error, while a
        write through a map would kill the process.
        """
        content = rows.cpu().numpy().astype(np.float16).tobytes()
        with writing(self.path, "the knowledge"), self.path.open("r+b") as file:
            file.seek(self._rows.offset + first * self._rows.strides[0])
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def bytes_of(self, first: int, rows: int) -> bytes:
        """Returns ``rows`` rows from ``first`` on as they stand in the file."""
        content: bytes = self._rows[first : first + rows].tobytes()
        _advise(self._rows, "MADV_DONTNEED")
        return content

    def on(self, device: torch.device) -> Tensor:
        """Returns a copy of the table on a device, moved block by block."""
        copy = torch.empty(self.shape, dtype=torch.float16, device=device)
        block = max(BLOCK_BYTES // max(self._rows.strides[0], 1), 1)
        for first in range(0, len(self), block):
            copy[first : first + block] = torch.from_numpy(self._rows[first : first + block].copy())
            _advise(self._rows, "MADV_DONTNEED")
        return copy


def _advise(rows: np.memmap, advice: str) -> None:
    """Tells the system how a map is used, where the system can be told."""
    mapped: Any = rows.base
    if hasattr(mmap, advice) and isinstance(mapped, mmap.mmap):
        mapped.madvise(getattr(mmap, advice))


def _refused(path: Path) -> UserError:
    return UserError(
        f"{path}: not a table of knowledge, or damaged; nothing in it was executed",
        "delete it: the knowledge is then extracted again",
    )
