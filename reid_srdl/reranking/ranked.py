"""Ranks by the final distances of k-reciprocal re-ranking, most of these never computed.

No image is nearer than (1 - lambda) J (see `jaccard`), which is 1 - lambda where no neighbour is
shared. So where a query's farthest match is nearer than that, only images that share a neighbour
can be ahead of a match: these are its rivals. For any other query one product estimates the whole
gallery: estimates below a match's window are counted, images inside are its rivals. The rivals'
final distances are computed, so ranks are what computing all final distances would make them,
equal ones by gallery position.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.reranking.jaccard import FinalDistances, Shared, SharedPairs
from reid_srdl.retrieval.arithmetic.parallel import each, parts, threads
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.memory.scratch import Scratch
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.rules import PidIndex, SamePid

_QUERIES = 256  # queries that a thread ranks at once,
_VALUES = 1 << 23  # or fewer, with no more estimates than these: 32 MiB
_PAIRS = 1 << 20  # or with no more pairs than these, where there are no estimates
_MASKED = 1 << 20  # estimates compared at once

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Bools = NDArray[np.bool_]


def reranked(
    final: FinalDistances, shared: Shared, queries: Labels, gallery: Labels
) -> Iterator[Ranks]:
    """Yields the ranks of all matches by the final distances.

    Args:
        final, shared: of these queries and gallery images.
        queries, gallery: the labels.
    """
    same = PidIndex(gallery).same_pid(queries)
    query, sizes = np.unique(same.query[same.match], return_counts=True)
    if not len(query):
        return
    counter = _Counter(final, shared, same)
    values = _VALUES if final.estimated else _PAIRS
    rows = max(1, min(_QUERIES, values // len(gallery)))
    runs = [query[slice(*part)] for part in parts(len(query), rows, threads())]
    found = list(each(counter.ranks, runs))
    ranks, matches = (np.concatenate(side) for side in zip(*found, strict=True))
    yield Ranks(query, np.append(0, np.cumsum(sizes)), ranks, matches)


@dataclass(frozen=True)
class _Pairs:
    """P pairs of a query, by its position in a run, and a gallery image, with their m."""

    row: Int64s
    column: Int64s
    m: Float64s

    def take(self, which: Int64s | Bools) -> _Pairs:
        return _Pairs(self.row[which], self.column[which], self.m[which])


@dataclass(frozen=True)
class _Run:
    """Some queries, each with a match, and what is known of them.

    Attributes:
        query: their positions.
        shared: the pairs that share a neighbour.
        same: the pairs of one identity.
        matches: those that are matches, by query, then final distance, then gallery position.
        finals: the matches' final distances.
        farthest: each query's largest final distance of a match.
        near: whether only images that share a neighbour can be nearer than that.
    """

    query: Int64s
    shared: SharedPairs
    same: _Pairs
    matches: _Pairs
    finals: Float64s
    farthest: Float64s
    near: Bools


class _Groups:
    """Matches of one query whose windows touch: these have their rivals in common.

    Args:
        row: M matches' queries, ascending.
        low, high: their windows, each query's ascending.

    Attributes:
        of: the group of each match.
        row: each group's query.
        low, high: each group's window.
        below: how many images are surely ahead of each group; to be counted.
    """

    def __init__(self, row: Int64s, low: Float32s, high: Float32s) -> None:
        fresh = np.append(True, (row[1:] != row[:-1]) | (low[1:] > high[:-1]))
        first = np.flatnonzero(fresh)
        last = np.append(first[1:], len(row)) - 1
        self.of = np.cumsum(fresh) - 1
        self.row, self.low, self.high = row[first], low[first], high[last]
        self.below = np.zeros(len(first), np.int64)


@dataclass(frozen=True)
class _Rivals:
    """P images, some perhaps ahead of some of a group's matches."""

    group: Int64s
    pairs: _Pairs


class _Counter:
    """Counts who is ahead of matches, a run of queries at a time.

    Args:
        final, shared: of all queries.
        same: all pairs of one identity.
    """

    def __init__(self, final: FinalDistances, shared: Shared, same: SamePid) -> None:
        self._final, self._shared, self._same = final, shared, same
        self._count = shared.count
        self._scratch = Scratch()

    def ranks(self, query: Int64s) -> tuple[Int64s, Int64s]:
        """Returns the ranks of the matches of some queries that have one, and who these are."""
        run = self._run(query)
        row = run.matches.row
        if self._final.estimated:
            low, high = self._final.windows(query[row], run.finals)
            low[run.near[row]], high[run.near[row]] = -np.inf, np.inf
        else:  # all others are rivals of all matches
            low, high = (np.full(len(row), end, np.float32) for end in (-np.inf, np.inf))
        groups = _Groups(row, low, high)
        rivals = [self._near_rivals(run, groups)]
        if not run.near.all():
            far = self._far_rivals if self._final.estimated else self._all_rivals
            rivals.append(far(run, groups))
        before = np.arange(len(row)) - np.searchsorted(row, row)  # matches of the same query
        ranks: Int64s = 1 + before + groups.below[groups.of]
        ranks += self._rivals_ahead(run, groups, rivals)
        return ranks, run.matches.column

    def _run(self, query: Int64s) -> _Run:
        shared = self._shared.of(query)
        all_same = self._same
        own = slice(*np.searchsorted(all_same.query, [query[0], query[-1] + 1]).tolist())
        row = np.searchsorted(query, all_same.query[own])
        kept = query[row] == all_same.query[own]  # others have no match
        row, column = row[kept], all_same.image[own][kept]
        same = _Pairs(row, column, shared.of(row, column))
        matches = same.take(all_same.match[own][kept])
        finals = self._final.pairs(query[matches.row], matches.column, matches.m)
        order = np.lexsort((matches.column, finals, matches.row))
        matches, finals = matches.take(order), finals[order]
        last = np.searchsorted(matches.row, np.arange(len(query)), "right") - 1
        farthest = finals[last]
        near = farthest < self._final.unshared
        return _Run(query, shared, same, matches, finals, farthest, near)

    def _near_rivals(self, run: _Run, groups: _Groups) -> _Rivals:
        """Returns near queries' rivals: who shares a neighbour and may be ahead of a match."""
        shared = run.shared
        reached = self._final.least(shared.m) <= run.farthest[shared.row]
        reached &= run.near[shared.row]
        reached[shared.positions(run.same.row, run.same.column)] = False
        rivals = _Pairs(shared.row, shared.column, shared.m).take(reached)
        return _Rivals(np.searchsorted(groups.row, rivals.row), rivals)

    def _far_rivals(self, run: _Run, groups: _Groups) -> _Rivals:
        """Counts who is surely ahead of the other queries' matches; returns who may be."""
        rows = np.flatnonzero(~run.near)
        group, column = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        step = max(1, _MASKED // self._count)
        for row, values in zip(rows.tolist(), self._estimates(run, rows), strict=True):
            start, stop = np.searchsorted(groups.row, [row, row + 1]).tolist()
            for first in range(start, stop, step):
                some = slice(first, min(first + step, stop))
                window = groups.low[some], groups.high[some]
                groups.below[some], inside = self._placed(values, *window)
                group.append(first + inside // self._count)
                column.append(inside % self._count)
        of, columns = np.concatenate(group), np.concatenate(column)
        rows = groups.row[of]
        return _Rivals(of, _Pairs(rows, columns, run.shared.of(rows, columns)))

    def _all_rivals(self, run: _Run, groups: _Groups) -> _Rivals:
        """Returns all images of other identities as the other queries' rivals."""
        rows = np.flatnonzero(~run.near)
        row, column = np.repeat(rows, self._count), np.tile(np.arange(self._count), len(rows))
        same = np.isin(row * self._count + column, run.same.row * self._count + run.same.column)
        row, column = row[~same], column[~same]
        rivals = _Pairs(row, column, run.shared.of(row, column))
        return _Rivals(np.searchsorted(groups.row, row), rivals)

    def _estimates(self, run: _Run, rows: Int64s) -> Float32s:
        """Returns the estimates of some of a run's queries; infinity for their own identity."""
        place = np.full(len(run.query), -1)
        place[rows] = np.arange(len(rows))
        row = place[run.shared.row]
        shared = _Pairs(row, run.shared.column, run.shared.m).take(row >= 0)
        out = self._scratch.array("estimates", (len(rows), self._count))
        estimates = self._final.estimates(run.query[rows], shared.row, shared.column, shared.m, out)
        row = place[run.same.row]
        estimates[row[row >= 0], run.same.column[row >= 0]] = np.inf
        return estimates

    def _placed(self, values: Float32s, low: Float32s, high: Float32s) -> tuple[Int64s, Int64s]:
        """Returns how many of G values are below each window, and window * G + who is inside."""
        shape = len(low), len(values)
        below = self._scratch.array("below", shape, np.bool_)
        inside = self._scratch.array("inside", shape, np.bool_)
        np.less(values, low[:, None], out=below)
        np.less_equal(values, high[:, None], out=inside)
        np.not_equal(inside, below, out=inside)
        counts = np.array([np.count_nonzero(row) for row in below])
        return counts, np.flatnonzero(inside)

    def _rivals_ahead(self, run: _Run, groups: _Groups, rivals: list[_Rivals]) -> Int64s:
        """Returns how many rivals are ahead of each match, by computed final distances."""
        theirs = [
            self._final.pairs(run.query[some.pairs.row], some.pairs.column, some.pairs.m)
            for some in rivals
        ]
        group = np.concatenate([groups.of, *(some.group for some in rivals)])
        column = np.concatenate([run.matches.column, *(some.pairs.column for some in rivals)])
        order = np.lexsort((column, np.concatenate([run.finals, *theirs]), group))
        rival = order >= len(run.finals)
        before: Int64s = np.cumsum(rival) - rival
        first = np.searchsorted(group[order], np.arange(len(groups.row)))
        # The matches come in the order that they already have.
        ahead: Int64s = before[~rival] - before[first][groups.of]
        return ahead
