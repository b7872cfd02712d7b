"""The windows of all matches as sorted edges, ready for searching."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.protocol import Int64s

_NORM_STEPS = 32  # steps from one power of two to the next, for norms rounded up

Float32s = NDArray[np.float32]


class Edges:
    """The windows of all M matches for some gallery rows (see `windows.window`).

    Windows of one query that touch become one; its edges (first low, then just above the last
    high) in a sorted list make the number of edges up to a value odd inside a window, and even
    between windows.

    Attributes:
        values: 2W edges of W windows, each query's ascending.
        first: W positions, each window's first match.
        start: Q + 1; query i has windows start[i] to start[i + 1].
        far: Q, each query's last edge, -infinity for a query without a match: a value from there on
            is surely farther than all matches.
        keys: the edges as ascending numbers over all queries, see `keys_of`.
    """

    def __init__(self, targets: Targets, low: Float32s, high: Float32s) -> None:
        query = targets.query
        fresh = np.ones(len(query), np.bool_)
        fresh[1:] = (query[1:] != query[:-1]) | (low[1:] > high[:-1])
        self.first = np.flatnonzero(fresh)
        last = np.append(self.first[1:], len(query)) - 1
        edges = np.stack([low[self.first], np.nextafter(high[last], np.float32(np.inf))], axis=1)
        self.values = edges.reshape(-1)
        queries = len(targets.offsets) - 1
        sizes = np.bincount(query[self.first], minlength=queries)
        self.start: Int64s = np.concatenate([[0], np.cumsum(sizes)])
        self.far = np.full(queries, -np.inf, np.float32)
        self.far[sizes > 0] = self.values[2 * self.start[1:][sizes > 0] - 1]
        self.keys = keys_of(np.repeat(query[self.first], 2), self.values)


def keys_of(rows: Int64s, values: Float32s) -> Int64s:
    """Returns integers that order P pairs as (row, value) does, rows below 2^31; no NaN.

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


def rounded_up(norm: float) -> float:
    """Returns a norm just above (by 2 % at most), one of few, so that windows can be used again."""
    if not norm or not math.isfinite(norm):
        return norm
    step = math.ceil(math.log2(norm) * _NORM_STEPS)
    while math.pow(2, step / _NORM_STEPS) < norm:
        step += 1
    return math.pow(2, step / _NORM_STEPS)
