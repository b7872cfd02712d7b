"""Counts the negatives ahead of each match from estimated distances, exactly.

An image that is ahead of a query's k-th match is ahead of all later ones too, so it adds one to a
single slot, k; running sums over the slots give the counts. Slots add up over gallery blocks,
threads, devices and machines. A pair whose estimate lies in a window is judged by the pair's own
bounds first; one that this leaves open is estimated again, by a sum with a narrower bound, and what
that leaves open is decided by the definition.
"""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.counting.edges import Edges, Float32s
from reid_srdl.retrieval.counting.pairs import exact_distances, nearly
from reid_srdl.retrieval.counting.tallies import Tally
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.counting.twins import Twins
from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

_PENDING = 1 << 14  # pairs in windows that are gathered before they are decided
_TIES = 1 << 15  # pairs defined so far from which on equal rows are looked for
_AT_ONCE = 1 << 17  # open pairs that are decided at once: a block may leave many more


class Counter:
    """Slots of M matches, filled row by row or block by block; one thread's.

    Attributes:
        open: how many pairs the estimates left open.
        undecided: how many of these the definition had to decide.

    Args:
        queries, gallery: all queries and the whole gallery.
        targets: the matches of these queries.
        scale: a power of two that keeps squared differences within float32's range.
        twins: their equal rows, where counters share them.
    """

    def __init__(
        self,
        queries: Rows,
        gallery: Rows,
        targets: Targets,
        scale: float = 1.0,
        twins: Twins | None = None,
    ) -> None:
        self.undecided = self.open = 0
        self._twins = twins or Twins(queries, gallery)
        self._scale = scale
        self._queries, self._gallery, self._targets = queries, gallery, targets
        self._decided = np.zeros(len(targets.query) + 1, np.int64)  # and what is behind all
        self._counts: dict[Edges, Int64s] = {}
        self._pending: list[tuple[Int64s, ...]] = []
        self._held = 0

    @property
    def slots(self) -> Int64s:
        """M counts, int64, of all that is decided."""
        self._fold(list(self._counts))
        return self._decided[:-1]

    def row(self, edges: Edges, query: int, values: Float32s, positions: Int64s) -> None:
        """Counts one query's estimates of some negatives.

        Args:
            edges: the windows of all matches for these gallery images.
            query: the query's position.
            values: N estimates; infinity for what does not count.
            positions: their N gallery positions.
        """
        start, stop = (2 * edges.start[query : query + 2]).tolist()
        near = np.flatnonzero(values < edges.far[query])
        if not near.size:
            return
        own = edges.values[start : stop - 2]
        place = own.searchsorted(values[near], side="right")
        self._counts_of(edges)[start : stop - 2] += np.bincount(place, minlength=len(own))
        inside = near[place % 2 == 1]
        if inside.size:
            windows = (start + place[place % 2 == 1]) // 2
            whose = np.full(len(inside), query)
            self._leave(whose, positions[inside], *self._in_question(edges, whose, windows))

    def add(
        self,
        edges: Edges,
        first: int,
        found: Tally,
        positions: Int64s,
        distances: tuple[Float64s, Float64s],
    ) -> None:
        """Counts what a block's estimates decide and keeps the pairs that they leave open.

        Args:
            edges: the windows of all matches for these gallery rows.
            first: position of the block's first query.
            found: what its estimates decide.
            positions: the gallery positions of the P pairs in windows.
            distances: what the P pairs' distances are, at least and at most.
        """
        low = 2 * edges.start[first]
        self._counts_of(edges)[low : low + len(found.counts)] += found.counts
        query = found.query + first
        low, high = self._in_question(edges, query, found.window)
        self._leave(query, positions, *self._targets.between(low, high, *distances))

    def _counts_of(self, edges: Edges) -> Int64s:
        if edges not in self._counts:
            self._fold([other for other in self._counts if other.retired])
            self._counts[edges] = np.zeros(len(edges.values), np.int64)
        return self._counts[edges]

    def _fold(self, some: list[Edges]) -> None:
        """Moves the counts between some edges to the matches that they count for."""
        for edges in some:
            np.add.at(self._decided, edges.first, self._counts.pop(edges)[0::2])

    def _in_question(self, edges: Edges, query: Int64s, windows: Int64s) -> tuple[Int64s, Int64s]:
        """Returns the first match of each pair's window, and the first behind it."""
        return edges.first[windows], np.minimum(
            edges.first[windows + 1], self._targets.offsets[query + 1]
        )

    def _leave(self, query: Int64s, gallery: Int64s, low: Int64s, high: Int64s) -> None:
        """Keeps pairs of which it is known that the first match behind is ``low`` to ``high``."""
        self._pending.append((query, gallery, low, high))
        self._held += len(query)
        self.open += int(np.count_nonzero(low < high))
        if self._held >= _PENDING:
            self.settle()

    def settle(self) -> None:
        """Decides all pending pairs: by shorter sums, and by the definition what these leave."""
        if not self._held:
            return
        query, gallery, low, high = (
            np.concatenate(side) for side in zip(*self._pending, strict=True)
        )
        self._pending, self._held = [], 0
        sure = low == high
        self._place(query[sure], low[sure])
        left = np.flatnonzero(~sure)
        for start in range(0, len(left), _AT_ONCE):
            part = left[start : start + _AT_ONCE]
            self._decide(query[part], gallery[part], low[part], high[part])

    def _decide(self, query: Int64s, gallery: Int64s, low: Int64s, high: Int64s) -> None:
        # Where ties abound, what holds for a pair is computed once for a run of equal ones.
        runs = self._twins.runs(query, gallery) if self.undecided > _TIES else None
        heads, run = runs or (slice(None), slice(None))
        queries, images = query[heads], gallery[heads]
        rough, error = nearly(self._queries, self._gallery, queries, images, self._scale)
        first, most = self._targets.between(low, high, (rough - error)[run], (rough + error)[run])
        left = np.flatnonzero(first < most)
        if left.size:
            if runs is None:
                queries, images = query[left], gallery[left]
            distances = exact_distances(self._queries, self._gallery, queries, images)
            if runs is not None:
                distances = distances[run][left]
            first[left] = self._targets.position(low[left], high[left], distances, gallery[left])
        self._place(query, first)
        self.undecided += len(left)

    def _place(self, query: Int64s, first: Int64s) -> None:
        """Adds pairs to the slots of the first matches behind them; the end of all is none."""
        first = first[first < self._targets.offsets[query + 1]]
        self._decided += np.bincount(first, minlength=len(self._decided))


def running(slots: Int64s, offsets: Int64s) -> Int64s:
    """Turns slots into counts: sums them up within each query."""
    total = np.concatenate([[0], np.cumsum(slots)])
    sizes = np.diff(offsets)
    counts: Int64s = total[1:] - np.repeat(total[offsets[:-1]], sizes)
    return counts
