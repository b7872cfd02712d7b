"""Counts the negatives ahead of each match from estimated distances, exactly.

An image that is ahead of a query's k-th match is ahead of all later ones too, so it adds one to a
single slot, k; running sums over the slots give the counts. Slots add up over gallery blocks,
devices and machines. What an estimate does not decide is decided by the definition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.targets import Targets, exact_distances

_PENDING = 1 << 16  # undecided pairs that are gathered before they are decided


class Counter:
    """Slots of M matches, filled row by row.

    Attributes:
        slots: M counts, int64.
        undecided: how many pairs the definition had to decide.
    """

    def __init__(self, queries: Rows, gallery: Rows, targets: Targets) -> None:
        self.slots = np.zeros(len(targets.query), np.int64)
        self.undecided = 0
        self._queries, self._gallery, self._targets = queries, gallery, targets
        self._pending: list[tuple[int, Int64s]] = []
        self._held = 0

    def expect(self, low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
        """Sets the windows of all M matches for the rows to come (see `windows.window`).

        Windows of one query that touch become one; its edges (first low, then just above the last
        high) in a sorted list make the number of edges up to a value odd inside a window, and even
        between windows.
        """
        query = self._targets.query
        fresh = np.ones(len(query), np.bool_)
        fresh[1:] = (query[1:] != query[:-1]) | (low[1:] > high[:-1])
        self._first = np.flatnonzero(fresh)
        last = np.append(self._first[1:], len(query)) - 1
        edges = np.stack([low[self._first], np.nextafter(high[last], np.float32(np.inf))], axis=1)
        self._edges = edges.reshape(-1)
        sizes = np.bincount(query[self._first], minlength=len(self._targets.offsets) - 1)
        self._windows = np.concatenate([[0], np.cumsum(sizes)]).tolist()

    def row(self, query: int, values: NDArray[np.float32], positions: Int64s | int) -> None:
        """Counts one query's estimates of some negatives.

        Args:
            query: the query's position.
            values: N estimates; infinity for what does not count.
            positions: their N gallery positions, or the first of N consecutive ones.
        """
        start, stop = self._windows[query], self._windows[query + 1]
        if start == stop:
            return
        edges = self._edges[2 * start : 2 * stop]
        near = np.flatnonzero(values < edges[-1])
        if not near.size:
            return
        place = edges.searchsorted(values[near], side="right")
        counts = np.bincount(place, minlength=len(edges))
        self.slots[self._first[start:stop]] += counts[0::2]
        if counts[1::2].any():
            columns = near[place % 2 == 1]
            found = columns + positions if isinstance(positions, int) else positions[columns]
            self._pending.append((query, found))
            self._held += len(found)
            if self._held >= _PENDING:
                self.settle()

    def settle(self) -> None:
        """Decides all pending pairs by the definition."""
        if not self._held:
            return
        query = np.repeat([query for query, _ in self._pending], [len(p) for _, p in self._pending])
        gallery = np.concatenate([positions for _, positions in self._pending])
        distances = exact_distances(self._queries, self._gallery, query, gallery)
        first, end = self._targets.position(query, distances, gallery)
        self.slots += np.bincount(first[first < end], minlength=len(self.slots))
        self.undecided += self._held
        self._pending, self._held = [], 0


def running(slots: Int64s, offsets: Int64s) -> Int64s:
    """Turns slots into counts: sums them up within each query."""
    total = np.concatenate([[0], np.cumsum(slots)])
    sizes = np.diff(offsets)
    counts: Int64s = total[1:] - np.repeat(total[offsets[:-1]], sizes)
    return counts
