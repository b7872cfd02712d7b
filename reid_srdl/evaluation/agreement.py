"""Whether all machines hold the same features: copies may differ, and the sums would not show it.

What differs is found by checksums that are added up over the processes: where all have the same,
the sum is that many times one's own. Machines that see one file, as on a network's file system,
need not read it for that; those that hold copies read all of it, their processes in turn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.group.processes import Group
from reid_srdl.retrieval.arithmetic.parallel import parts
from reid_srdl.retrieval.features import PARTS, Features
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.mapped import forget

_PIECE_BYTES = 1 << 24
_KINDS = ("features", "pids", "camids")

Array = NDArray[Any]


def check_same(features: Features, group: Group) -> None:
    """Checks that all processes were given the same features and labels.

    Raises:
        UserError: they were not.
    """
    if group.size == 1:
        return
    sets = zip(PARTS, (features.query, features.gallery, features.boxes), strict=True)
    arrays = {
        f"{name}_{kind}": np.asanyarray(getattr(part, kind, []))  # sums need as many everywhere
        for name, part in sets
        for kind in _KINDS
    }
    _check_shapes(arrays, group)
    machines = int(group.summed(np.array([int(group.local_rank == 0)]))[0])
    if machines == 1:
        return
    own = f"memory of process {group.rank}"
    one = _equal(_checksums(arrays, lambda array: _file(array) or own), group, group.size)
    for (name, array), one_file in zip(arrays.items(), one.tolist(), strict=True):
        if not one_file:
            _check_content(name, array, group, machines)


def _check_shapes(arrays: dict[str, Array], group: Group) -> None:
    same = _equal(_checksums(arrays, _shape), group, group.size)
    for (name, array), equal in zip(arrays.items(), same.tolist(), strict=True):
        if not equal:
            raise _differing(name, f"here {_shape(array)}")


def _check_content(name: str, array: Array, group: Group, machines: int) -> None:
    """Compares checksums of pieces; each of a machine's processes computes its share of them."""
    pieces = parts(len(array), max(1, _PIECE_BYTES // max(1, array[:1].nbytes)))
    own = np.zeros(len(pieces), np.int64)
    mine = slice(group.local_rank, None, group.local_size)
    for number, (start, stop) in list(enumerate(pieces))[mine]:
        group.check()
        own[number] = zlib.crc32(np.ascontiguousarray(array[start:stop]).view(np.uint8).data)
        forget(array)
    same = _equal(own, group, machines)[mine]
    if not same.all():
        start, stop = pieces[mine][int(np.argmin(same))]
        raise _differing(name, f"first in rows {start} to {stop - 1}")


def _checksums(arrays: dict[str, Array], words: Callable[[Array], str]) -> Int64s:
    return np.array([zlib.crc32(words(array).encode()) for array in arrays.values()], np.int64)


def _equal(own: Int64s, group: Group, holders: int) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = group.summed(own) == holders * own
    return equal


def _shape(array: Array) -> str:
    return f"{' x '.join(map(str, array.shape))} {array.dtype}"


def _file(array: Array) -> str:
    """Returns what no two files have in common; empty for an array in memory."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return ""
    seen = Path(array.filename).stat()
    return f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"


def _differing(name: str, where: str) -> UserError:
    return UserError(
        f"{name} is not the same on all machines ({where})",
        "give all of them the same files",
    )
