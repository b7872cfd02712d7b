"""Every row's k nearest rows and its largest distance, most pairs never multiplied out.

`bounds` gives bounds of all distances at the price of a small product. A row's k nearest lie among
those whose lower bound is not above the k-th smallest of some k distances; its farthest among those
whose upper bound is not below one of its distances. Only these are computed, from differences, and
both bounds are widened by what is proven of their rounding, so what is found is what all
`pair_distances` would tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.by_faiss.pairs import pair_distances, pair_error
from reid_srdl.reranking.bounds import Bounds, chosen
from reid_srdl.retrieval.arithmetic.parallel import each, parts, threads
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.scratch import Scratch

_BLOCK = 1 << 22  # bounds that one thread holds: 16 MiB
_GROUP = 64  # columns whose smallest bound bounds the k-th nearest

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Int32s = NDArray[np.int32]


@dataclass(frozen=True)
class Neighbours:
    """What re-ranking needs of all distances.

    Attributes:
        near: N x k positions, each row itself first, then ascending by distance, then position.
        largest: N, the largest squared distance from each row; 1 where all are 0.
    """

    near: Int32s
    largest: Float64s


def find_neighbours(
    x: Float32s, squares: Float64s, k: int, progress: Callable[[int, int], None] | None = None
) -> Neighbours:
    """Returns each row's k nearest rows, itself included, and its largest distance.

    Args:
        x: N x D, centred near 0, N at least k.
        squares: the rows' squared norms.
        k: how many.
        progress: called with (rows done, rows in all).
    """
    search = _Search(x, chosen(x, squares, k), k)
    near, largest = np.empty((len(x), k), np.int32), np.empty(len(x))

    def run(part: tuple[int, int]) -> int:
        near[slice(*part)], largest[slice(*part)] = search.rows(*part)
        return part[1]

    for done in each(run, parts(len(x), max(1, _BLOCK // len(x)), threads())):
        if progress:
            progress(done, len(x))
    return Neighbours(near, np.where(largest > 0, largest, 1.0))


class _Search:
    """Finds the k nearest and the farthest of N x D rows, a run of rows at a time."""

    def __init__(self, x: Float32s, bounds: Bounds, k: int) -> None:
        self._x, self._bounds, self._k = x, bounds, k
        self._rho, self._slack, self._error = bounds.rho, bounds.slack, pair_error(x.shape[1])
        self._scratch = Scratch()

    def rows(self, start: int, stop: int) -> tuple[Int64s, Float32s]:
        """Returns the k nearest of rows ``start`` to ``stop``, and their largest distances."""
        out = self._scratch.array("lower", (stop - start, len(self._x)))
        lower = self._bounds.lower(start, stop, out)
        rows = np.arange(len(lower))
        lower[rows, start + rows] = -np.inf  # itself, before its duplicates
        return self._nearest(lower, start), self._largest(lower, start)

    def _nearest(self, lower: Float32s, start: int) -> Int64s:
        k, rows = self._k, np.arange(len(lower))
        limit = _kth_limit(lower, k)
        row, column = self._where(np.less_equal, lower, limit)
        d = self._distances(row, column, start)
        kth = d[np.lexsort((d, row))][np.searchsorted(row, rows) + k - 1]
        # Whoever has a computed distance up to the k-th has a lower bound within this reach.
        reach = kth * (1 + 2 * self._error) + self._slack[start : start + len(lower)]
        more, columns = self._where(np.less_equal, lower, reach.astype(np.float32))
        new = lower[more, columns] > limit[more]
        more, columns = more[new], columns[new]
        row, column = np.append(row, more), np.append(column, columns)
        d = np.append(d, self._distances(more, columns, start))
        near = np.flatnonzero(d <= kth[row])
        near = near[np.lexsort((column[near], d[near], row[near]))]
        first = np.searchsorted(row[near], rows)
        nearest: Int64s = column[near[first[:, None] + np.arange(k)]]
        return nearest

    def _largest(self, lower: Float32s, start: int) -> Float32s:
        rows, own = np.arange(len(lower)), slice(start, start + len(lower))
        rho, most = self._rho[own], self._rho.max()
        found = self._distances(rows, lower.argmax(axis=1), start)
        need = (found * (1 - self._error) - self._slack[own]).astype(np.float32)
        # No upper bound is above lower + 4 rho_p max rho: few pass that, and only those get theirs.
        row, column = self._where(np.greater_equal, lower, need - 4 * rho * most)
        kept = lower[row, column] + 4 * rho[row] * self._rho[column] >= need[row]
        row, column = row[kept], column[kept]
        np.maximum.at(found, row, self._distances(row, column, start))
        return found

    def _where(self, compare: Any, lower: Float32s, limit: Float32s) -> tuple[Int64s, Int64s]:
        """Returns the rows and columns of bounds that compare so with their row's limit."""
        mask = self._scratch.array("mask", lower.shape, np.bool_)
        found = np.flatnonzero(compare(lower, limit[:, None], out=mask))
        row = np.searchsorted(found, np.arange(1, len(lower)) * lower.shape[1])
        row = np.repeat(np.arange(len(lower)), np.diff(row, prepend=0, append=len(found)))
        return row, found - row * lower.shape[1]

    def _distances(self, row: Int64s, column: Int64s, start: int) -> Float32s:
        """Returns distances, rows counted from ``start``; -1 from a row to itself."""
        d = pair_distances(self._x, row + start, column)
        d[column == row + start] = -1
        return d


def _kth_limit(lower: Float32s, k: int) -> Float32s:
    """Returns a number for each row that at least k of its entries do not exceed.

    It is the k-th smallest of the smallest of groups of columns, so few more entries are below it.
    """
    groups = lower.shape[1] // _GROUP
    least = lower
    if groups >= k:
        least = lower[:, : groups * _GROUP].reshape(len(lower), _GROUP, groups).min(axis=1)
    limit: Float32s = np.partition(least, k - 1, axis=1)[:, k - 1]
    return limit
