"""Counts the negatives ahead of each match from estimated distances, exactly.

An image that is ahead of a query's k-th match is ahead of all later ones too, so it adds one to a
single slot, k; running sums over the slots give the counts. Slots add up over gallery blocks,
threads, devices and machines. What an estimate does not decide is decided by the definition.
"""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.counting.edges import Edges, Float32s, keys_of
from reid_srdl.retrieval.counting.targets import Targets, exact_distances
from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.retrieval.rows import Rows

_PENDING = 1 << 16  # undecided pairs that are gathered before they are decided


class Counter:
    """Slots of M matches, filled row by row or block by block; one thread's.

    Attributes:
        slots: M counts, int64.
        undecided: how many pairs the definition had to decide.
    """

    def __init__(self, queries: Rows, gallery: Rows, targets: Targets) -> None:
        self.slots = np.zeros(len(targets.query), np.int64)
        self.undecided = 0
        self._queries, self._gallery, self._targets = queries, gallery, targets
        self._pending: list[tuple[Int64s, Int64s]] = []
        self._held = 0

    def row(self, edges: Edges, query: int, values: Float32s, positions: Int64s) -> None:
        """Counts one query's estimates of some negatives.

        Args:
            edges: the windows of all matches for these gallery images.
            query: the query's position.
            values: N estimates; infinity for what does not count.
            positions: their N gallery positions.
        """
        start, stop = edges.start[query : query + 2].tolist()
        if start == stop:
            return
        near = np.flatnonzero(values < edges.far[query])
        if not near.size:
            return
        own = edges.values[2 * start : 2 * stop]
        place = own.searchsorted(values[near], side="right")
        counts = np.bincount(place, minlength=len(own))
        self.slots[edges.first[start:stop]] += counts[0::2]
        inside = near[place % 2 == 1]
        if inside.size:
            self._leave(np.full(len(inside), query), positions[inside])

    def block(self, edges: Edges, first: int, values: Float32s, start: int) -> None:
        """Counts the estimates of queries ``first`` on and gallery rows ``start`` on.

        Args:
            edges: the windows of all matches for these gallery rows.
            first, start: positions of the first query and the first gallery row.
            values: Q x N estimates; infinity for what does not count.
        """
        rows, columns = values.shape
        near = np.flatnonzero(values < edges.far[first : first + rows, None])
        if not near.size:
            return
        query = near // columns
        keys = keys_of(query + first, values.reshape(-1)[near])
        low, high = 2 * edges.start[first], 2 * edges.start[first + rows]
        # Keys ascend by query, so the number of edges up to a key is even for all queries before.
        place = edges.keys[low:high].searchsorted(keys, side="right")
        counts = np.bincount(place, minlength=high - low)
        self.slots[edges.first[low // 2 : high // 2]] += counts[0::2]
        if counts[1::2].any():
            inside = np.flatnonzero(place & 1)
            here = query[inside]
            self._leave(here + first, near[inside] - here * columns + start)

    def _leave(self, query: Int64s, gallery: Int64s) -> None:
        self._pending.append((query, gallery))
        self._held += len(query)
        if self._held >= _PENDING:
            self.settle()

    def settle(self) -> None:
        """Decides all pending pairs by the definition."""
        if not self._held:
            return
        query, gallery = (np.concatenate(side) for side in zip(*self._pending, strict=True))
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
