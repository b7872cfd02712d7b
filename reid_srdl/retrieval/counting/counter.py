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
from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

_PENDING = 1 << 14  # pairs in windows that are gathered before they are decided
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
    """

    def __init__(
        self,
        queries: Rows,
        gallery: Rows,
        targets: Targets,
        scale: float = 1.0,
    ) -> None:
        self.undecided = self.open = 0
        self._scale = scale
        self._queries, self._gallery, self._targets = queries, gallery, targets
        self._decided = np.zeros(len(targets.query) + 1, np.int64)  # and what is behind all
        self._pending: list[tuple[Int64s, ...]] = []
        self._held = 0

    @property
    def slots(self) -> Int64s:
        """M counts, int64, of all that is decided."""
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
        self._count(edges, start // 2, np.bincount(place, minlength=len(own)))
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
        self._count(edges, int(edges.start[first]), found.counts)
        query = found.query + first
        low, high = self._in_question(edges, query, found.window)
        self._leave(query, positions, *self._targets.between(low, high, *distances))

    def _count(self, edges: Edges, window: int, counts: Int64s) -> None:
        """Adds what lies between windows, from one on, to the matches that are behind it."""
        between = counts[0::2]
        # No match occurs twice among them, but for the one behind all, which nobody reads.
        self._decided[edges.first[window : window + len(between)]] += between

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
        rough, error = nearly(self._queries, self._gallery, query, gallery, self._scale)
        first, most = self._targets.between(low, high, rough - error, rough + error)
        left = np.flatnonzero(first < most)
        if left.size:
            distances = exact_distances(self._queries, self._gallery, query[left], gallery[left])
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
