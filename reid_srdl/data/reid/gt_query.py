"""The official lists of good and junk matches of each query, ``gt_query/*.mat``.

For a query file NAME, ``NAME_good.mat`` holds ``good_index``, the gallery images of its identity
from other cameras, and ``NAME_junk.mat`` holds ``junk_index``, those from its own camera. Indices
count from 1 in the list of bounding_box_test sorted by name; a single 0 stands for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.listing import is_litter
from reid_srdl.data.reid.crops import Crops
from reid_srdl.data.reid.names import stem

FOLDER = "gt_query"

_LIST = re.compile(r"(.+)_(good|junk)\.mat", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """How the lists compare with the rule of identity and camera; names of files throughout.

    Attributes:
        compared: queries whose two lists were both compared.
        disagreeing: queries whose lists differ from the rule.
        without_lists: queries that lack a list.
        missing_queries: queries that have lists, but no image.
        unreadable: damaged lists.
        unexpected: what is in the folder and is no list.
    """

    compared: int
    disagreeing: tuple[str, ...]
    without_lists: tuple[str, ...]
    missing_queries: tuple[str, ...]
    unreadable: tuple[str, ...]
    unexpected: tuple[str, ...]


def compare(folder: Path, query: Crops, gallery: Crops | None) -> Comparison:
    """Compares the lists in ``folder`` with the rule that evaluation uses.

    Args:
        folder: the data set's gt_query.
        query: Q queries.
        gallery: G gallery images sorted by name; None leaves the rule unchecked, because an
            incomplete gallery shifts the lists' indices.
    """
    names = sorted(path.name for path in folder.iterdir())
    listed = {match[1] for name in names if (match := _LIST.fullmatch(name))}
    queries = {stem(path.name) for path in query.paths}
    disagreeing, without, unreadable, compared = [], [], [], 0
    present = set(names)
    for path, pid, camid in zip(query.paths, query.pids, query.camids, strict=True):
        pair = [f"{stem(path.name)}_{kind}.mat" for kind in ("good", "junk")]
        if not present.issuperset(pair):
            without.append(path.name)
            continue
        if gallery is None:
            continue
        lists = [_read(folder / name, name[-8:-4]) for name in pair]
        unreadable += [name for name, rows in zip(pair, lists, strict=True) if rows is None]
        if all(rows is not None for rows in lists):
            compared += 1
            if not _agree(lists, expected(gallery, int(pid), int(camid))):
                disagreeing.append(path.name)
    return Comparison(
        compared=compared,
        disagreeing=tuple(disagreeing),
        without_lists=tuple(without),
        missing_queries=tuple(sorted(listed - queries)),
        unreadable=tuple(unreadable),
        unexpected=tuple(_unexpected(names)),
    )


def expected(gallery: Crops, pid: int, camid: int) -> list[NDArray[np.int64]]:
    """Returns the rule's good and junk rows of a gallery, counted from 1, for one query."""
    same = gallery.pids == pid
    own_camera = gallery.camids == camid
    return [np.flatnonzero(same & ~own_camera) + 1, np.flatnonzero(same & own_camera) + 1]


def _agree(lists: Sequence[NDArray[np.int64] | None], rule: list[NDArray[np.int64]]) -> bool:
    return all(
        official is not None and np.array_equal(np.unique(official), ours)
        for official, ours in zip(lists, rule, strict=True)
    )


def _read(path: Path, kind: str) -> NDArray[np.int64] | None:
    """Returns the indices of one list, None where the file is damaged."""
    import scipy.io  # slow to import, and only this check needs it

    try:
        content = scipy.io.loadmat(path)[f"{kind}_index"]
        rows: NDArray[np.int64] = np.asarray(content).ravel().astype(np.int64)
    except Exception:  # a damaged file makes the reader raise nearly anything
        return None
    keep: NDArray[np.int64] = rows[rows != 0]
    return keep


def _unexpected(names: Sequence[str]) -> Iterator[str]:
    return (name for name in names if not _LIST.fullmatch(name) and not is_litter(name))
