"""The windows of all matches as sorted edges, and a grid that finds a value's place among them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Int64s

_CELLS = 256  # of a query's grid: at 2 % of pairs, half as many leave twice as much to compare
_STEPS = 3  # from edge to edge in a cell before a binary search
_FLATTEST, _STEEPEST = np.float32(2.0**-100), np.float32(2.0**100)

Float32s = NDArray[np.float32]


class Edges:
    """The windows of all M matches for some gallery rows (see `windows.window`).

    Windows of one query that touch become one; its edges (first low, then just above the last
    high) in a sorted list make the number of edges up to a value odd inside a window, and even
    between windows. That number is the value's place. Two NaN end each query's list, which no
    value reaches: places are counted over all queries and stay apart.

    Attributes:
        values: 2W edges of W windows, each query's ascending; the last window of each is NaN.
        first: W positions, each window's first match; M for the last of each query.
        start: Q + 1; query i has windows start[i] to start[i + 1].
        far: Q, each query's last edge, -infinity for a query without a match: a value from there on
            is surely farther than all matches.
    """

    def __init__(self, targets: Targets, low: Float32s, high: Float32s) -> None:
        query = targets.query
        fresh = np.ones(len(query), np.bool_)
        fresh[1:] = (query[1:] != query[:-1]) | (low[1:] > high[:-1])
        first = np.flatnonzero(fresh)
        last = np.append(first[1:], len(query)) - 1
        queries = len(targets.offsets) - 1
        sizes = np.bincount(query[first], minlength=queries)
        self.start: Int64s = np.concatenate([[0], np.cumsum(sizes + 1)])
        # A query's windows move on by the number of lists that end before them.
        place = np.arange(len(first)) + query[first]
        self.first = np.full(self.start[-1], len(query))
        self.first[place] = first
        values = np.full((self.start[-1], 2), np.nan, np.float32)
        values[place, 0] = low[first]
        values[place, 1] = np.nextafter(high[last], np.float32(np.inf))
        self.values = values.reshape(-1)
        self.far = np.full(queries, -np.inf, np.float32)
        ends = self.start[1:][sizes > 0] - 2
        self.far[sizes > 0] = values[ends, 1]
        nearest = values[self.start[:-1]]
        self._low, self._scale = _grid(np.where(sizes > 0, nearest.T, 0).T, self.far)
        self._codes = self._coded(np.repeat(query[first], 2), values[place].reshape(-1))

    def _coded(self, query: Int64s, edges: Float32s) -> NDArray[np.int32]:
        """Returns for each cell 2 x (the place of its lower end) + (1 if edges lie in it)."""
        cells = self._cells(edges, self._low[query], self._scale[query]) + query * _CELLS
        within = np.bincount(cells, minlength=len(self.far) * _CELLS).astype(np.int32)
        codes = within.cumsum(dtype=np.int32)
        codes -= within
        codes.reshape(-1, _CELLS)[:] += 2 * np.arange(len(self.far), dtype=np.int32)[:, None]
        codes *= 2
        codes += within > 0
        return codes

    @staticmethod
    def _cells(values: Float32s, low: Float32s, scale: Float32s) -> NDArray[np.int32]:
        """Returns the cells of values in grids: never descending where values ascend."""
        with np.errstate(over="ignore"):
            cells = values - low
            cells *= scale
        np.clip(cells, np.float32(0), np.float32(_CELLS - 1), out=cells)
        return cells.astype(np.int32)

    def places(self, rows: slice, values: Float32s, sizes: Int64s | None) -> NDArray[np.int32]:
        """Returns the places of P values; not of NaN.

        Args:
            rows: a run of queries.
            values: their values, one query after the other.
            sizes: how many values each query has; None: all equally many.
        """

        def spread(x: Any) -> Any:
            return x[:, None] if sizes is None else np.repeat(x, sizes)

        # Indices of 32 bits are faster to compute, of 64 bits faster to look up.
        number = rows.stop - rows.start
        shaped = values.reshape(number, -1) if sizes is None else values
        cells = self._cells(shaped, spread(self._low[rows]), spread(self._scale[rows]))
        cells += spread(np.arange(rows.start, rows.stop, dtype=np.int32) * _CELLS)
        codes = self._codes.take(cells.astype(np.int64).reshape(-1))
        dense = np.flatnonzero((codes & 1).astype(np.bool_))
        places = np.right_shift(codes, 1, out=codes)
        if dense.size:
            flat = values.reshape(-1)
            query = dense // shaped.shape[1] if sizes is None else _owners(dense, sizes)
            places[dense] = self._searched(query + rows.start, flat[dense], places[dense])
        return places

    @cached_property
    def _keys(self) -> Int64s:
        rows = np.repeat(np.arange(len(self.far)), 2 * np.diff(self.start))
        return keys_of(rows, self.values)

    def _searched(
        self, query: Int64s, values: Float32s, places: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Returns the places of values whose cells begin at ``places``."""
        left = np.arange(len(places))
        for _ in range(_STEPS):
            left = left[self.values.take(places[left]) <= values[left]]
            if not left.size:
                return places
            places[left] += 1
        places[left] = self._keys.searchsorted(keys_of(query[left], values[left]), side="right")
        return places


def _grid(nearest: Float32s, far: Float32s) -> tuple[Float32s, Float32s]:
    """Returns low and scale of Q queries' grids: from below the first edge to the last one.

    Any finite low and any positive scale give right places; these give few edges to a cell.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        low = np.where(np.isfinite(nearest[:, 0]), nearest[:, 0], nearest[:, 1])
        low -= (far - low) / np.float32(_CELLS - 3)
        low = np.where(np.isfinite(low), low, np.float32(0))
        scale = np.float32(_CELLS - 1.5) / (far - low)
        return low, np.where(scale > _FLATTEST, np.minimum(scale, _STEEPEST), _FLATTEST)


def _owners(positions: Int64s, sizes: Int64s) -> Int64s:
    """Returns which run each position is in, the runs having ``sizes``."""
    return np.searchsorted(np.cumsum(sizes), positions, side="right")


def keys_of(rows: Int64s, values: Float32s) -> Int64s:
    """Returns integers that order P pairs as (row, value) does, rows below 2^31; NaN comes last.

    >>> keys_of(np.array([0, 0, 0, 1]), np.float32([-2, -0.0, 3, -9])).argsort().tolist()
    [0, 1, 2, 3]
    """
    # A float's bits, taken as an integer, ascend with the value; for negative ones they descend.
    # Adding 0 makes -0 the same as 0.
    bits = (values + np.float32(0)).view(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    keys: Int64s = rows << 32
    keys += bits
    return keys
