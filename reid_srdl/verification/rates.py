"""True and false positive rates by distance, over all pairs of query and gallery image that count.

A pair is called the same person where its distance is at most a threshold T:

    TPR(T) = matches within T / matches          FPR(T) = others within T / others

The T of a false positive rate f is the largest distance of any pair for which FPR(T) <= f. Matches
are few, and all of them are held. Others are counted by cell in a first pass over all blocks. In a
second pass only those in the cells where a rate's T lies are held: so counts are exact, ties
included, and memory does not grow with the number of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.rules import PidIndex
from reid_srdl.verification.cells import CELLS, NOWHERE, cells_of, last_of
from reid_srdl.verification.pairs import Block, Float64s, Pairs

_GROUPS = 1024  # groups of cells that are counted for each identity
_POINTS = 101  # of the curve


@dataclass(frozen=True)
class Point:
    """Rates at one threshold; None: no pair is within it."""

    threshold: float | None
    fpr: float
    tpr: float


@dataclass(frozen=True)
class Rates:
    """What was counted.

    Attributes:
        matches, others: pairs of one person by two cameras, and of two people.
        at: a point for each false positive rate that was asked for.
        curve: points of the receiver operating characteristic, by threshold, evenly spread over the
            logarithm of the false positive rate.
        groups: U x C numbers of matches, and of others, of each of U identities of the queries, by
            group of cells; last, the groups' C largest distances.
    """

    matches: int
    others: int
    at: tuple[Point, ...]
    curve: tuple[Point, ...]
    groups: tuple[Int64s, Int64s, Float64s]


def rates_at(pairs: Pairs, queries: Labels, gallery: Labels, asked: Sequence[float]) -> Rates:
    """Counts all pairs that the rules let count.

    Args:
        pairs: their distances.
        queries: the queries' labels.
        gallery: labels of the gallery images that count.
        asked: false positive rates, from 0 to 1.

    Raises:
        ValueError: there are no matches, or no others.
    """
    return _Count(pairs, queries, gallery).rates(asked)


class _Count:
    def __init__(self, pairs: Pairs, queries: Labels, gallery: Labels) -> None:
        self._pairs = pairs
        self._same = same = PidIndex(gallery).same_pid(queries)
        self._side = same.query if pairs.by_row else same.image
        self._order = np.argsort(self._side, kind="stable")
        self._query = same.query[same.match]  # of each match
        self._distances = pairs.distances(self._query, same.image[same.match])
        self._sorted = np.sort(self._distances)
        people, self._identity = np.unique(queries.pids, return_inverse=True)
        self._people = len(people)

    def rates(self, asked: Sequence[float]) -> Rates:
        counts = np.zeros(CELLS, np.int64)
        for block in self._blocks():
            counts += np.bincount(block.cells.ravel(), minlength=CELLS)
        counts = counts[:NOWHERE]
        others = int(counts.sum())
        if not len(self._sorted) or not others:
            raise ValueError("there are no matches, or no others")
        ends = np.cumsum(counts)
        allowed = [0, *(_allowed(rate, others) for rate in asked)]
        cells = [int(ends.searchsorted(k, "right")) for k in allowed]  # of the first beyond
        last = _last_cells(ends, int(cells_of(self._sorted[-1:])[0]))
        held, of_others = self._second(_wanted(cells, counts), last)
        none, *at = (self._point(k, held, ends) for k in allowed)
        groups = self._of_matches(last), of_others, last_of(last)
        return Rates(len(self._sorted), others, tuple(at), (none, *self._curve(last, ends)), groups)

    def _blocks(self) -> Iterator[Block]:
        """Yields blocks in which pairs of one identity are nowhere."""
        same, side = self._same, self._side[self._order]
        for block in self._pairs.blocks():
            first = block.query if self._pairs.by_row else block.gallery
            size = block.cells.shape[0 if self._pairs.by_row else 1]
            own = self._order[slice(*np.searchsorted(side, [first, first + size]))]
            block.cells[same.query[own] - block.query, same.image[own] - block.gallery] = NOWHERE
            yield block

    def _second(
        self, wanted: NDArray[np.bool_], last: Int64s
    ) -> tuple[dict[int, Float64s], Int64s]:
        """Returns the sorted distances in each wanted cell, and counts by identity and group."""
        starts = np.zeros(CELLS, np.int16)
        starts[last + 1] = 1
        group_of = np.cumsum(starts, dtype=np.int16)
        found = np.zeros((self._people, len(last) + 1), np.int64)
        kept = []
        for block in self._blocks():
            query, gallery = np.nonzero(wanted[block.cells])
            cells = block.cells[query, gallery]
            kept.append(
                (cells, self._pairs.distances(query + block.query, gallery + block.gallery))
            )
            for row, groups in enumerate(group_of[block.cells], block.query):
                found[self._identity[row]] += np.bincount(groups, minlength=len(last) + 1)
        cells, values = (np.concatenate(side) for side in zip(*kept, strict=True))
        held = {cell: np.sort(values[cells == cell]) for cell in np.unique(cells).tolist()}
        return held, found[:, :-1]

    def _of_matches(self, last: Int64s) -> Int64s:
        found = np.zeros((self._people, len(last)), np.int64)
        groups = last.searchsorted(cells_of(self._distances))
        np.add.at(found, (self._identity[self._query], groups), 1)
        return found

    def _point(self, k: int, held: dict[int, Float64s], ends: Int64s) -> Point:
        """Returns the largest threshold within which there are at most k others."""
        others, cell = int(ends[-1]), int(ends.searchsorted(k, "right"))
        before = int(ends[cell - 1]) if cell else 0
        values = held.get(cell, np.empty(0))
        beyond = float(values[k - before]) if k < others else np.inf
        inside = int(values.searchsorted(beyond))
        within = int(self._sorted.searchsorted(beyond))
        earlier = [own[-1] for other, own in held.items() if other < cell]
        nearest = [*earlier, *values[:inside][-1:], *self._sorted[:within][-1:]]
        return Point(
            float(max(nearest)) if nearest else None,
            (before + inside) / others,
            within / len(self._sorted),
        )

    def _curve(self, last: Int64s, ends: Int64s) -> Iterator[Point]:
        chosen = np.unique(np.linspace(0, len(last) - 1, min(_POINTS, len(last))).astype(np.int64))
        for cell, threshold in zip(
            last[chosen].tolist(), last_of(last[chosen]).tolist(), strict=True
        ):
            within = int(self._sorted.searchsorted(threshold, "right"))
            yield Point(threshold, int(ends[cell]) / int(ends[-1]), within / len(self._sorted))


def _allowed(rate: float, others: int) -> int:
    """Returns the largest k with k / others <= rate, as floats are divided."""
    k = min(int(rate * others), others)
    return k + 1 if k < others and (k + 1) / others <= rate else k


def _wanted(cells: Sequence[int], counts: Int64s) -> NDArray[np.bool_]:
    """Marks the cells in which others beyond a threshold begin, and the last ones before."""
    wanted = np.zeros(CELLS, np.bool_)
    there = np.flatnonzero(counts)
    for cell in cells:
        before = int(there.searchsorted(cell)) - 1
        wanted[there[max(before, 0)]] = True
        wanted[cell] = True
    wanted[NOWHERE] = False
    return wanted


def _last_cells(ends: Int64s, farthest: int) -> Int64s:
    """Returns the last cell of each group, groups evenly spread over the logarithm of counts.

    Args:
        ends: how many others are in each cell and those before.
        farthest: the cell of the farthest match.
    """
    others = int(ends[-1])
    counts = np.unique(np.geomspace(1, others, _GROUPS).astype(np.int64))
    last = np.unique(ends.searchsorted(counts))
    return last if last[-1] >= farthest else np.append(last, farthest)
