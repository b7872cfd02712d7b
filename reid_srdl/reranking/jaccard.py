"""What queries and gallery images share, and their final distances (equations 10 and 12).

    J = 1 - m / (2 - m)                                                                 equation 10
    final = (1 - lambda) J + lambda d / L                                               equation 12

with d the squared distance and L the query's largest. J is 1 wherever two images share no
neighbour, so with s = L / lambda

    s (final - (1 - lambda)) - ||q||^2  =  (d - ||q||^2) - s (1 - lambda) m / (2 - m):

a row of a matrix product, changed at the few images that share a neighbour, orders the whole
gallery as the final distances do. Its float32 values decide outside of windows around the match's
own value w, whose half width is the sum of these bounds, with a = ||q||, b the longest gallery row:

    gamma_(D+2) 2ab + 4u b^2           of the product (see `counting.kernels`),
    gamma_(D+3) (1 + 2 gamma_(D+3)) L  of `pair_distances`, by which final distances are defined,
    4u (2ab + b^2 + |w|)               of the change, rounded once: a value beside the window is
                                       off by more only where it is farther from w by more,
    2^-46 (a^2 + b^2 + s)              of float64 arithmetic,

and 2^-122 D for what is flushed to zero. lambda = 0 takes s = 1 and d = ||q|| = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.by_faiss.pairs import pair_distances, pair_error
from reid_srdl.retrieval.arithmetic.rounding import FLUSHED, UNIT, gamma
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.scratch import Scratch

_LARGEST = np.finfo(np.float32).max
_SHARED = 1 << 20  # pairs of query and gallery image whose m is summed up at once

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class SharedPairs:
    """All pairs of some queries and gallery images that share a neighbour.

    Attributes:
        row, column: their queries, by position among these, and gallery images; ascending.
        m: see equation 10.
        count: G, gallery images in all.
    """

    row: Int64s
    column: Int64s
    m: Float64s
    count: int

    @cached_property
    def _numbers(self) -> Int64s:
        return self.row * self.count + self.column

    def positions(self, row: Int64s, column: Int64s) -> Int64s:
        """Returns the positions of these pairs, of those that share a neighbour."""
        at, known = self._sought(row, column)
        return at[known]

    def of(self, row: Int64s, column: Int64s) -> Float64s:
        """Returns m of P pairs, 0 of those that share no neighbour."""
        at, known = self._sought(row, column)
        m = np.zeros(len(row))
        m[known] = self.m[at[known]]
        return m

    def _sought(self, row: Int64s, column: Int64s) -> tuple[Int64s, NDArray[np.bool_]]:
        wanted = row * self.count + column
        at = np.searchsorted(self._numbers, wanted)
        known = at < len(self.m)
        known[known] = self._numbers[at[known]] == wanted[known]
        return at, known


class Shared:
    """What images share: m of equation 10.

    Args:
        v: N x N, sparse.
        queries: how many of the N rows are queries, the first ones.
    """

    def __init__(self, v: Any, queries: int) -> None:
        self.count = v.shape[0] - queries
        self._v, self._columns = v, v[queries:].tocsc()
        self._scratch = Scratch()

    def of(self, queries: Int64s) -> SharedPairs:
        """Returns the pairs of Q queries and the gallery that share a neighbour."""
        step = max(1, _SHARED // self.count)
        numbers, values = [], []
        for start in range(0, len(queries), step):
            number, m = self._summed(queries[start : start + step])
            numbers.append(number + start * self.count)
            values.append(m)
        row, column = np.divmod(np.concatenate(numbers), self.count)
        return SharedPairs(row, column, np.concatenate(values), self.count)

    def among(self, images: Int64s) -> Shared:
        """Returns the same of some of the gallery images, ascending."""
        queries = self._v.shape[0] - self.count
        return Shared(self._v[np.append(np.arange(queries), queries + images)], queries)

    def _summed(self, queries: Int64s) -> tuple[Int64s, Float64s]:
        """Returns the pairs, as position * G + gallery position, and their m."""
        columns = self._columns
        entries, sizes = _runs(self._v.indptr, queries)
        z, mine = self._v.indices[entries], self._v.data[entries]
        row = np.repeat(np.arange(len(queries)), sizes)
        theirs, sizes = _runs(columns.indptr, z)
        least = np.minimum(np.repeat(mine, sizes), columns.data[theirs])
        number = np.repeat(row * self.count, sizes) + columns.indices[theirs]
        shape = (len(queries) * self.count,)
        sums = self._scratch.array("sums", shape, np.float64)
        np.add.at(sums, number, least)
        mask = np.not_equal(sums, 0, out=self._scratch.array("mask", shape, np.bool_))
        found = np.flatnonzero(mask)
        m: Float64s = sums[found]
        sums[found] = 0
        return found, m


class FinalDistances:
    """The final distances of queries to gallery images.

    Args:
        x: N rows, the queries first.
        squares: their squared norms.
        largest: the largest squared distance from each.
        queries: how many of the rows are queries.
        lambda_: weight of the original distance.
        power: of d / L in equation 12; there are estimates for 1 alone.

    Attributes:
        unshared: what the final distance is at least where J is 1.
        estimated: whether there are estimates.
    """

    def __init__(
        self,
        x: Float32s,
        squares: Float64s,
        largest: Float64s,
        queries: int,
        lambda_: float,
        *,
        power: int = 1,
    ) -> None:
        self._power, self.estimated = power, power == 1
        self._x, self._gallery, self._largest = x, x[queries:], largest
        self._squares, self._lambda = squares, lambda_
        self._gallery_squares = squares[queries:].astype(np.float32)
        self._scale = largest / lambda_ if lambda_ else np.ones_like(largest)
        self.unshared = 1 - lambda_

    def among(self, images: Int64s) -> FinalDistances:
        """Returns the same of some of the gallery images, ascending."""
        queries = len(self._x) - len(self._gallery)
        rows = np.append(np.arange(queries), queries + images)
        sides = self._x[rows], self._squares[rows], self._largest[rows]
        return FinalDistances(*sides, queries, self._lambda, power=self._power)

    def pairs(self, query: Int64s, gallery: Int64s, m: Float64s) -> Float64s:
        """Returns the final distances of P pairs with these m."""
        final = self.least(m)
        if self._lambda:
            d = pair_distances(self._x, query, gallery + len(self._x) - len(self._gallery))
            share = d / self._largest[query]
            final += self._lambda * (share if self._power == 1 else share**self._power)
        return final

    def least(self, m: Float64s) -> Float64s:
        """Returns (1 - lambda) J: no final distance with these m is below."""
        return self.unshared * (1 - m / (2 - m))

    def estimates(
        self, query: Int64s, row: Int64s, column: Int64s, m: Float64s, out: Float32s
    ) -> Float32s:
        """Returns float32 values that order the whole gallery as the final distances do.

        Args:
            query: Q positions.
            row, column, m: the pairs of these queries that share a neighbour (see `SharedPairs`).
            out: Q x G, to be overwritten.
        """
        if self._lambda:
            np.matmul(np.multiply(self._x[query], np.float32(-2)), self._gallery.T, out=out)
            out += self._gallery_squares
        else:
            out[:] = 0
        change = self.unshared * self._scale[query]
        with np.errstate(over="ignore"):  # where lambda is tiny, m alone decides
            out[row, column] -= change[row] * (m / (2 - m))
        return out

    def windows(self, query: Int64s, final: Float64s) -> tuple[Float32s, Float32s]:
        """Returns (low, high) for P final distances from P queries.

        An estimate below low is surely of a smaller final distance, above high of a larger one;
        infinity is above all.
        """
        scale, dim = self._scale[query], self._x.shape[1]
        centre, error = scale * (final - self.unshared), 2.0**-46 * scale
        if self._lambda:
            a2, b2 = self._squares[query], float(self._squares[-len(self._gallery) :].max())
            ab2, pair = 2 * np.sqrt(a2 * b2), pair_error(dim)
            centre -= a2
            error += gamma(dim + 2) * ab2 + 4 * UNIT * b2
            error += pair * (1 + 2 * pair) * self._largest[query]
            error += 4 * UNIT * (ab2 + b2) + 2.0**-46 * (a2 + b2) + FLUSHED * dim
        error += 4 * UNIT * abs(centre)
        with np.errstate(over="ignore"):
            low, high = (centre - error).astype(np.float32), (centre + error).astype(np.float32)
        high = np.minimum(np.nextafter(high, np.float32(np.inf)), _LARGEST)
        return np.nextafter(low, np.float32(-np.inf)), high


def _runs(limits: NDArray[Any], which: NDArray[Any]) -> tuple[Int64s, Int64s]:
    """Returns all positions in some of the runs that ``limits`` cuts, and these runs' sizes."""
    starts, sizes = limits[which].astype(np.int64), limits[which + 1] - limits[which]
    ends = np.cumsum(sizes)
    return np.arange(sizes.sum()) + np.repeat(starts - ends + sizes, sizes), sizes
