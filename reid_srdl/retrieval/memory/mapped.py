"""Memory-mapped arrays: read a stretch at a time, their pages let go again, so memory stays flat.

A page of a mapped file that was read counts as this process's memory until the system wants it
back. Letting go of it costs nothing but a look into the page cache when it is read again.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRETCH_BYTES = 1 << 24
_SMALL_BYTES = 192 << 20  # looking pages up again would show in the time
_SCATTERED = 32  # rows read here and there before their pages are let go
_ADVICE = hasattr(mmap, "MADV_DONTNEED")  # not everywhere; without it the system decides


def is_mapped(x: Any) -> bool:
    """Says whether ``x`` is a read-only memory-mapped array."""
    return _mapping(x) is not None


def forget(x: NDArray[Any]) -> None:
    """Lets go of the pages of a mapped array that are in memory; its values stay readable."""
    mapping = _mapping(x)
    if mapping is not None and _ADVICE:
        mapping.madvise(mmap.MADV_DONTNEED)


def expect(x: NDArray[Any]) -> None:
    """Asks the system to begin reading a mapped array's pages, here a slice of rows."""
    mapping = _mapping(x)
    if mapping is None or not _ADVICE or not x.size:
        return
    start = x.ctypes.data - np.frombuffer(mapping, np.uint8, 1).ctypes.data
    page = start - start % mmap.PAGESIZE
    mapping.madvise(mmap.MADV_WILLNEED, page, start + x.nbytes - page)


def rows_at(x: NDArray[Any], positions: NDArray[np.int64]) -> NDArray[Any]:
    """Returns the rows of a mapped array at P positions, a copy.

    Their pages are let go again, unless the whole array is small.
    """
    if x.nbytes <= _SMALL_BYTES:
        return x[positions]
    rows = np.empty((len(positions), *x.shape[1:]), x.dtype)
    # One row can bring in megabytes around it, as much as the page cache holds in one piece.
    for start in range(0, len(positions), _SCATTERED):
        part = slice(start, start + _SCATTERED)
        rows[part] = x[positions[part]]
        forget(x)
    return rows


def stretches(x: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Yields (start, stop) of runs of rows; a mapped array's pages are let go after each.

    An array in memory is one run.
    """
    if not is_mapped(x):
        yield 0, len(x)
        return
    step = max(1, _STRETCH_BYTES // max(1, x[:1].nbytes))
    for start in range(0, len(x), step):
        yield start, min(start + step, len(x))
        forget(x)


def _mapping(x: Any) -> mmap.mmap | None:
    last = None
    while isinstance(x, np.ndarray):
        last, x = x, x.base
    # Pages that can be written may hold values that the file lacks.
    whole = isinstance(x, mmap.mmap) and last is not None and not last.flags.writeable
    return x if whole else None
