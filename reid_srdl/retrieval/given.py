"""Distances that were given as a matrix: one more source of ranks, by the same counts.

The rank of a match is the number of matches up to it, plus the negatives that are closer, equal
distances by gallery index. A matrix is read a block of rows at a time, so a memory-mapped one may
be larger than memory.

A ranker is handed rows of features (`retrieval.rows`). Here these are stand-ins, a zero for each
image: only which rows of the matrix, and which columns, are meant is read from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.retrieval.arithmetic.parallel import parts
from reid_srdl.retrieval.counting.counter import running
from reid_srdl.retrieval.features import (
    Features,
    FeatureSet,
    byte_order,
    check_finite,
    checked,
)
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.lists import RankList, counts
from reid_srdl.retrieval.memory.mapped import forget
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.rules import PidIndex

_BLOCK_VALUES = 1 << 21  # distances held at once
_TYPES = (np.float16, np.float32, np.float64)


@dataclass(frozen=True)
class Distances:
    """Distances of Q queries and G gallery images, and who these are.

    Attributes:
        values: Q x G, float16, float32 or float64, perhaps memory-mapped; smaller is nearer.
        images: labels and names; the features are stand-ins.
    """

    values: NDArray[Any]
    images: Features


def labelled(pids: Any, camids: Any, names: Any = None) -> FeatureSet:
    """Returns N images by their labels alone.

    Args:
        pids, camids: N integers each.
        names: N names, or None.

    Raises:
        UserError: they are no arrays.
    """
    pids, camids = as_array(pids, "identities"), as_array(camids, "cameras")
    count = len(pids) if pids.ndim else 1
    told = None if names is None else tuple(str(name) for name in np.asanyarray(names).reshape(-1))
    return FeatureSet(np.zeros((count, 1), np.float16), pids, camids, told)


def checked_distances(
    values: Any, query: FeatureSet, gallery: FeatureSet, source: str = "distances"
) -> Distances:
    """Returns distances, having checked everything that an evaluation needs.

    Args:
        values: Q x G.
        query, gallery: as `labelled` makes them.
        source: what messages call the matrix, e.g. the file's path.

    Raises:
        UserError: a wrong shape, type or length, NaN or infinity; or labels of no use.
    """
    values = as_array(values, source)
    for name, part in (("query", query), ("gallery", gallery)):
        if np.shape(part.camids) != np.shape(part.pids):
            raise UserError(
                f"{source}: {name}_pids has shape {np.shape(part.pids)}, {name}_camids "
                f"{np.shape(part.camids)}",
                "give one identity and one camera per image",
            )
        if not len(part):
            raise UserError(f"{source}: {name}_pids is empty", "give at least one image's")
        if part.names is not None and len(part.names) != len(part):
            raise UserError(
                f"{source}: {name}_names has {len(part.names)} entries, {name}_pids {len(part)}",
                "give one name per image",
            )
    images = checked(Features(query, gallery), f"{source}: labels")
    _check_shape(values, len(query), len(gallery), source)
    if values.dtype not in _TYPES:
        hint = f"give distances as float16, float32 or float64{byte_order(values.dtype)}"
        raise UserError(f"{source} has type {values.dtype}", hint)
    check_finite(source, values, "give each pair a finite distance")
    return Distances(values, images)


def as_array(values: Any, source: str) -> NDArray[Any]:
    """Returns what may be lists as an array.

    Raises:
        UserError: the lists are of unlike lengths.
    """
    try:
        return np.asanyarray(values)
    except ValueError:
        what = f"{source}: rows of unlike lengths"
        raise UserError(what, "give each row as many numbers as the first one") from None


def _check_shape(values: NDArray[Any], queries: int, images: int, source: str) -> None:
    if values.shape == (queries, images):
        return
    hint = "give a row for each query and a column for each gallery image"
    if values.shape == (images, queries):
        hint += ": transpose it (.T)"
    raise UserError(
        f"{source} has shape {values.shape}, its labels are of {queries:,} queries and {images:,} "
        "gallery images",
        hint,
    )


@dataclass(frozen=True)
class GivenRanker:
    """Ranks by Q x G ``values``; rows and columns are those that the stand-ins were taken from."""

    independent: ClassVar[bool] = True

    values: NDArray[Any]

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches, for a block of queries at a time."""
        index, total = PidIndex(gallery_labels), len(queries) * len(gallery)
        for start, block in self.blocks(queries, gallery):
            stop = start + len(block)
            yield _ranked(block, start, query_labels, index)
            if progress:
                progress(stop * len(gallery), total)

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields the first k images of each query, by the same distances."""
        everyone = np.arange(len(gallery))
        for start, block in self.blocks(queries, gallery):
            for query, row in enumerate(block, start):
                counted = np.flatnonzero(counts(query, query_labels, gallery_labels, everyone))
                found = counted[_first(row[counted], k)]
                match = gallery_labels.pids[found] == query_labels.pids[query]
                yield RankList(query, found, row[found].astype(np.float64), match, distance)

    def told(self) -> dict[str, str]:
        """Nothing: exact ranks over the whole gallery are the rule."""
        return {}

    def blocks(self, queries: Rows, gallery: Rows) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yields the first query's number, and R x G distances, a copy."""
        rows, columns = _places(queries), gallery.index
        if not len(gallery):
            return
        for start, stop in parts(len(rows), max(1, _BLOCK_VALUES // self.values.shape[1])):
            block = self.values[rows[start:stop]]
            yield start, block if columns is None else block[:, columns]
            forget(self.values)


def _places(rows: Rows) -> Int64s:
    return np.arange(len(rows)) if rows.index is None else rows.index


def _first(values: NDArray[Any], k: int) -> Int64s:
    """Returns the positions of the k smallest of N values, equal ones by position."""
    near = np.arange(len(values))
    if k < len(values):
        near = np.flatnonzero(values <= np.partition(values, k - 1)[k - 1])
    first: Int64s = near[np.argsort(values[near], kind="stable")[:k]]
    return first


def _ranked(block: NDArray[Any], start: int, queries: Labels, index: PidIndex) -> Ranks:
    """Returns the ranks of all matches of R queries, whose R x G distances are overwritten."""
    numbers = np.arange(start, start + len(block))
    same = index.same_pid(queries.take(numbers))
    rows, sizes = np.unique(same.query[same.match], return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    query, position = same.query[same.match], same.image[same.match]
    distances = block[query, position]
    block[same.query, same.image] = np.inf  # no negatives
    order = np.lexsort((position, distances, query))
    position, distances = position[order], distances[order]
    ends = list(zip(rows.tolist(), offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    slots = [_slots(block[row], distances[i:j], position[i:j]) for row, i, j in ends]
    ahead = running(np.concatenate([np.empty(0, np.int64), *slots]), offsets)
    place = np.arange(len(ahead)) - np.repeat(offsets[:-1], sizes)
    return Ranks(numbers[rows], offsets, 1 + place + ahead, position)


def _slots(row: NDArray[Any], distances: NDArray[Any], position: Int64s) -> Int64s:
    """Returns how many negatives stand right ahead of each of M matches.

    Args:
        row: one query's G distances, infinite for what is no negative.
        distances, position: the M matches, in the order of (distance, gallery position).
    """
    near = np.flatnonzero(row <= distances[-1])
    levels, level = np.unique(distances, return_inverse=True)
    at = levels.searchsorted(row[near])  # the first match that is as far, or farther
    tied = levels[at] == row[near]
    width = len(row) + 1
    matches = level * width + position + 1
    images = at * width + np.where(tied, near + 1, 0)
    slots: Int64s = np.bincount(matches.searchsorted(images), minlength=len(matches) + 1)
    return slots[:-1]
