"""Counts the negatives ahead of each match from estimated distances, exactly.

An image that is ahead of a query's k-th match is ahead of all later ones too, so it adds one to a
single slot, k; running sums over the slots give the counts. Slots add up over gallery blocks,
threads, devices and machines. A pair whose estimate lies in a window is judged by the pair's own
bounds first; one that this leaves open is estimated again, by a sum with a narrower bound, and what
that leaves open is decided by the definition.
"""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.pairs import exact_distances, nearly
from reid_srdl.retrieval.counting.tallies import Tally
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

_PENDING = 1 << 14  # pairs in windows that are gathered before they are decided
_AT_ONCE = 1 << 17  # open pairs that are decided at once: a block may leave many more


class Counter:
    """Slots of M matches, filled block by block; one thread's.

    Attributes:
        open: how many pairs the estimates left open.
        undecided: how many of these the definition had to decide.

    Args:
        queries, images: all queries and all images that are counted.
        targets: the matches of these queries.
        scale: a power of two that keeps squared differences within float32's range.
    """

    def __init__(self, queries: Rows, images: Rows, targets: Targets, scale: float = 1.0) -> None:
        self.undecided = self.open = 0
        self._scale = scale
        self._queries, self._images, self._targets = queries, images, targets
        self._decided = np.zeros(len(targets.query) + 1, np.int64)  # and what is behind all
        self._pending: list[tuple[Int64s, ...]] = []
        self._held = 0

    @property
    def slots(self) -> Int64s:
        """M counts, int64, of all that is decided."""
        return self._decided[:-1]

    def add(
        self,
        edges: Edges,
        first: int,
        found: Tally,
        positions: Int64s,
        limits: tuple[Float64s, Float64s] | None = None,
    ) -> None:
        """Counts what a block's estimates decide and keeps the pairs that they leave open.

        Args:
            edges: the windows of all matches for these images.
            first: position of the block's first query.
            found: what its estimates decide.
            positions: the images' positions of the P pairs in windows.
            limits: what the P pairs' distances are, at least and at most, where that is known.
        """
        # What lies between windows belongs to the matches behind it. No match occurs twice among
        # them, but for the one behind all, which nobody reads.
        between = found.counts[0::2]
        self._decided[edges.first[edges.start[first] :][: len(between)]] += between
        query = found.query + first
        # The first match of each pair's window, and the first behind it.
        low = edges.first[found.window]
        high = np.minimum(edges.first[found.window + 1], self._targets.offsets[query + 1])
        if limits is not None:
            low, high = self._targets.between(low, high, *limits)
        self._leave(query, positions, low, high)

    def _leave(self, query: Int64s, image: Int64s, low: Int64s, high: Int64s) -> None:
        """Keeps pairs of which it is known that the first match behind is ``low`` to ``high``."""
        self._pending.append((query, image, low, high))
        self._held += len(query)
        self.open += int(np.count_nonzero(low < high))
        if self._held >= _PENDING:
            self.settle()

    def settle(self) -> None:
        """Decides all pending pairs: by shorter sums, and by the definition what these leave."""
        if not self._held:
            return
        query, image, low, high = map(np.concatenate, zip(*self._pending, strict=True))
        self._pending, self._held = [], 0
        sure = low == high
        self._place(query[sure], low[sure])
        left = np.flatnonzero(~sure)
        for start in range(0, len(left), _AT_ONCE):
            part = left[start : start + _AT_ONCE]
            self._decide(query[part], image[part], low[part], high[part])

    def _decide(self, query: Int64s, image: Int64s, low: Int64s, high: Int64s) -> None:
        rough, error = nearly(self._queries, self._images, query, image, self._scale)
        first, most = self._targets.between(low, high, rough - error, rough + error)
        left = np.flatnonzero(first < most)
        if left.size:
            distances = exact_distances(self._queries, self._images, query[left], image[left])
            first[left] = self._targets.position(low[left], high[left], distances, image[left])
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
