"""Every row's k nearest rows and its largest distance, most pairs never multiplied out.

Let B hold m orthonormal columns of D dimensions, a = B^T x, and rho the length of what B misses of
x. What B misses of p - q is no shorter than |rho_p - rho_q| and no longer than rho_p + rho_q, so

    lower(p, q) = ||a_p - a_q||^2 + (rho_p - rho_q)^2 <= d(p, q) <= lower(p, q) + 4 rho_p rho_q.

One product of m + 1 dimensions gives all lower bounds. A row's k nearest lie among those whose
lower bound is not above the k-th smallest of some k exact distances; its farthest among those whose
upper bound is not below one of its exact distances. Only these are computed, from differences.

B spans the leading directions of a sample (Halko et al., Finding Structure with Randomness, 2011,
algorithm 4.4), and m is chosen by what some rows would have cost; m = D, where B misses nothing, is
among the choices, so features without structure cost little more than all products.

NOTE: the bounds are widened for float32's rounding by a tenfold of what it typically is, not by a
proven bound: this serves re-ranking, whose ranks are not exact by the definition either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting.frame import squared_norms
from reid_srdl.retrieval.counting.parallel import each, parts, threads
from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.seeds import generator

_BLOCK = 1 << 22  # bounds that one thread holds: 16 MiB
_GROUP = 64  # columns whose smallest bound bounds the k-th nearest
_SAMPLE = 2048  # rows whose directions B spans
_DIMS = (64, 128, 256)  # choices of m beside D
_TRIED = 64  # rows by which m is chosen
_EXTRA = 32  # directions sought beyond m
_TURNS = 2  # of the power iteration
_PAIR = 16  # what one pair's difference costs, in multiply-adds of a product per dimension
_SLACK = 3e-5  # of the squared norms: float32's rounding
_STEP = 8192  # rows placed at once

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class Neighbours:
    """What re-ranking needs of all distances.

    Attributes:
        near: N x k positions, each row itself first, then ascending by distance, then position.
        largest: N, the largest squared distance from each row; 1 where all are 0.
        squares: N squared norms.
        bounds: of all distances.
    """

    near: Int64s
    largest: Float64s
    squares: Float64s
    bounds: Bounds


def find_neighbours(
    x: Float32s, k: int, progress: Callable[[int, int], None] | None = None
) -> Neighbours:
    """Returns each row's k nearest rows, itself included, and its largest distance.

    Args:
        x: N x D, centred near 0, N at least k.
        k: how many.
        progress: called with (rows done, rows in all).
    """
    squares = squared_norms(x)
    bounds = _chosen(x, squares, k)
    near, largest = np.empty((len(x), k), np.int64), np.empty(len(x))

    def search(part: tuple[int, int]) -> int:
        found = bounds.search(*part, k)
        near[slice(*part)], largest[slice(*part)] = found
        return part[1]

    for done in each(search, parts(len(x), max(1, _BLOCK // len(x)), threads())):
        if progress:
            progress(done, len(x))
    return Neighbours(near, np.where(largest > 0, largest, 1.0), squares, bounds)


def pair_distances(x: Float32s, row: Int64s, column: Int64s) -> Float32s:
    """Returns the squared distances of P pairs of rows, from their differences, float32."""
    import faiss as module

    faiss: Any = module
    out = np.empty(len(row), np.float32)
    pointers = [faiss.swig_ptr(np.ascontiguousarray(part, np.int64)) for part in (row, column)]
    rows = faiss.swig_ptr(x)
    faiss.pairwise_indexed_L2sqr(
        x.shape[1], len(row), rows, pointers[0], rows, pointers[1], faiss.swig_ptr(out)
    )
    return out


class Bounds:
    """Lower and upper bounds of all distances, from m of D dimensions.

    Args:
        x: N x D.
        squares: their squared norms.
        a: N x m coordinates.
    """

    def __init__(self, x: Float32s, squares: Float64s, a: Float32s) -> None:
        self._x, m = x, a.shape[1]
        missed = np.maximum(squares - squared_norms(a), 0) if m < x.shape[1] else 0 * squares
        self._rho = np.sqrt(missed).astype(np.float32)
        own = (squares if m == x.shape[1] else squared_norms(a) + missed).astype(np.float32)
        # The norms ride along in the product: (-2a, -2rho, 1, s) times (a, rho, s, 1).
        self._right = np.empty((len(x), m + 3), np.float32)
        self._right[:, :m], self._right[:, m] = a, self._rho
        self._right[:, m + 1], self._right[:, m + 2] = own, 1
        self._slack = (_SLACK * (squares + squares.max())).astype(np.float32)

    def search(self, start: int, stop: int, k: int) -> tuple[Int64s, Float64s]:
        """Returns the k nearest of rows ``start`` to ``stop``, and their largest distance."""
        lower = self.lower(np.arange(start, stop))
        near = self._nearest(lower, start, k)
        return near, self._largest(lower, start)

    def between(self, rows: Int64s, first: int) -> tuple[Float32s, Float32s]:
        """Returns lower and upper bounds of these rows and those from ``first``, rounding in."""
        lower, slack = self.lower(rows, first), self._slack[rows][:, None]
        upper = lower + 4 * self._rho[rows][:, None] * self._rho[first:]
        return np.maximum(lower - slack, 0), upper + slack

    def lower(self, rows: Int64s, first: int = 0) -> Float32s:
        """Returns the lower bounds of these rows and those from ``first``."""
        left = self._right[rows]
        left[:, :-2] *= -2
        left[:, [-2, -1]] = left[:, [-1, -2]]
        bounds: Float32s = left @ self._right[first:].T
        return bounds

    def _nearest(self, lower: Float32s, start: int, k: int) -> Int64s:
        rows = np.arange(len(lower))
        lower[rows, start + rows] = -np.inf  # itself, before its duplicates
        limit = _kth_limit(lower, k)
        row, column = _below(lower, limit)
        d = self._distances(row + start, column)
        d[column == row + start] = -1
        first = np.searchsorted(row, np.append(rows, len(lower)))
        kth = np.array([np.partition(d[i:j], k - 1)[k - 1] for i, j in pairwise(first)])
        reach = kth + self._slack[start : start + len(lower)]
        wider = np.flatnonzero(reach > limit)
        if len(wider):
            more, columns = _below(lower[wider], reach[wider])
            new = lower[wider][more, columns] > limit[wider][more]
            more, columns = wider[more[new]], columns[new]
            row, column = np.append(row, more), np.append(column, columns)
            d = np.append(d, self._distances(more + start, columns))
        order = np.lexsort((column, d, row))
        first = np.searchsorted(row[order], rows)
        lower[rows, start + rows] = 0
        nearest: Int64s = column[order][first[:, None] + np.arange(k)]
        return nearest

    def _largest(self, lower: Float32s, start: int) -> Float64s:
        rows = np.arange(len(lower))
        found = self._distances(rows + start, lower.argmax(axis=1))
        own = slice(start, start + len(lower))
        # No upper bound is above lower + 4 rho_p max rho: few pass that, and only those get theirs.
        need = found - self._slack[own]
        row, column = _above(lower, need - 4 * self._rho[own] * self._rho.max())
        upper = lower[row, column] + 4 * self._rho[own][row] * self._rho[column]
        kept = upper >= need[row]
        np.maximum.at(found, row[kept], self._distances(row[kept] + start, column[kept]))
        return found.astype(np.float64)

    def cost(self, rows: Int64s, exact: Float32s, k: int) -> float:
        """Returns what these rows would cost, given all their exact distances, per row."""
        lower, own = self.lower(rows), np.arange(len(rows))
        kth = np.partition(exact, k - 1, axis=1)[:, k - 1] + self._slack[rows]
        near = np.count_nonzero(lower <= kth[:, None])
        need = exact[own, lower.argmax(axis=1)] - self._slack[rows]
        upper = lower + 4 * self._rho[rows][:, None] * self._rho
        far = np.count_nonzero(upper >= need[:, None])
        pairs = (near + far) / len(rows) + k
        return float(len(self._x) * self._right.shape[1] + _PAIR * self._x.shape[1] * pairs)

    def _distances(self, row: Int64s, column: Int64s) -> Float32s:
        return pair_distances(self._x, row, column)


def _chosen(x: Float32s, squares: Float64s, k: int) -> Bounds:
    """Returns the bounds whose dimensions cost least."""
    choices = [m for m in _DIMS if 4 * m <= x.shape[1] and 4 * m <= len(x)]
    best: Bounds | None = None
    if choices:
        rows = np.linspace(0, len(x) - 1, min(_TRIED, len(x)), dtype=np.int64)
        exact = (squares[rows, None] + squares - 2 * (x[rows] @ x.T)).astype(np.float32)
        least = x.shape[1] * (len(x) + _PAIR * 2 * k)  # of all D dimensions
        a = _placed(x, _directions(x, max(choices)))
        for m in choices:
            tried = Bounds(x, squares, a[:, :m])
            if (cost := tried.cost(rows, exact, k)) < least:
                best, least = tried, cost
    return best or Bounds(x, squares, x)


def _directions(x: Float32s, m: int) -> Float32s:
    """Returns D x m orthonormal columns, the leading directions of a sample, largest first."""
    sample = x[np.linspace(0, len(x) - 1, min(_SAMPLE, len(x)), dtype=np.int64)]
    width = min(m + _EXTRA, *sample.shape)
    draw = generator(0, "neighbours").standard_normal((x.shape[1], width), dtype=np.float32)
    basis = np.linalg.qr(sample.T @ (sample @ draw))[0]
    for _ in range(_TURNS - 1):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    inside = sample @ basis
    _, vectors = np.linalg.eigh(inside.T @ inside)
    found: Float32s = basis @ vectors[:, ::-1][:, :m]
    return found


def _placed(x: Float32s, basis: Float32s) -> Float32s:
    a = np.empty((len(x), basis.shape[1]), np.float32)
    for start in range(0, len(x), _STEP):
        np.matmul(x[start : start + _STEP], basis, out=a[start : start + _STEP])
    return a


def _kth_limit(lower: Float32s, k: int) -> Float32s:
    """Returns a number for each row that at least k of its entries do not exceed.

    It is the k-th smallest of the smallest of groups of columns, so few more entries are below it.
    """
    groups = lower.shape[1] // _GROUP
    if groups < k:
        limit: Float32s = np.partition(lower, k - 1, axis=1)[:, k - 1]
        return limit
    least = lower[:, : groups * _GROUP].reshape(len(lower), _GROUP, groups).min(axis=1)
    limit = np.partition(least, k - 1, axis=1)[:, k - 1]
    return limit


def _below(values: Float32s, limit: Float32s) -> tuple[Int64s, Int64s]:
    row, column = np.divmod(np.flatnonzero(values <= limit[:, None]), values.shape[1])
    return row, column


def _above(values: Float32s, limit: Float32s) -> tuple[Int64s, Int64s]:
    row, column = np.divmod(np.flatnonzero(values >= limit[:, None]), values.shape[1])
    return row, column
