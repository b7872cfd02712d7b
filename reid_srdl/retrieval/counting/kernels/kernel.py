"""Kernels: blocks of estimated distances, from products of integers or float32 ones.

A kernel returns v for a block of queries and a block of gallery rows, both placed in the frame, and
vouches for |v - (||p(q) - p(g)||^2 - ||p(q)||^2)| <= error: no product needs the query's own norm.
Sums run over chunks of K dimensions whose partial results are added, which makes the bounds D / K
times tighter than one long sum's; K is halved for the rest of the gallery where too many pairs stay
open (`Kernel.finer`). A float32 sum of n products, in any order, with or without fused
multiply-add, is off by at most gamma_n times the sum of magnitudes (Higham 2002, section 3.1); by
Cauchy's inequality that sum is at most ||p(q)|| ||p(g)||. With a = ||p(q)||, b = ||p(g)||, m
chunks, NumPy's and torch's products give

    v     = fl(sum of m products of -2 p(q) and p(g)) + fl(b^2),
    error = gamma_(K+m+2) 2ab + 4u b^2.

The integers' bound stands in `on_integers`. Products below float32's normal range may be flushed to
zero: 2^-122 D is added for that.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.rounding import FLUSHED, UNIT, gamma
from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.tallies import Tally, tally
from reid_srdl.retrieval.labels import Int64s

_CHUNK = 512  # dimensions per product: 256 halves the bound and takes 3 % longer
_FINEST = 64
_TALLIED = 1 << 21  # estimates placed at once: few calls, little memory

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class Loaded:
    """Rows as a kernel wants them.

    Attributes:
        parts: the kernel's own arrays; for queries, each of Q rows.
        sizes: N x S lengths that error bounds are made of; the first of each row is its norm.
    """

    parts: tuple[Any, ...]
    sizes: Float64s

    def rows(self, first: int, last: int) -> Loaded:
        """Returns some of the queries."""
        parts = tuple(part[first:last] for part in self.parts)
        return Loaded(parts, self.sizes[first:last])


class Kernel(Protocol):
    """Where blocks of distances come from.

    Attributes:
        name: which kernel this is; estimates of equal names have equal errors.
        threaded: whether several threads may call `block` at once, each faster than one in turn.
        bearable: the share of pairs left open from which on `finer` pays.
    """

    name: str
    threaded: bool
    bearable: float

    def rows(self, dim: int) -> tuple[int, int]:
        """Returns how many queries and gallery rows a block has at best."""

    def load_queries(self, p: Float32s, squares: Float64s) -> Loaded:
        """Takes over placed queries, Q x D, and their squared norms."""

    def load_gallery(self, p: Float32s, squares: Float64s) -> Loaded:
        """Takes placed gallery rows, N x D, and their squared norms; until the next call."""

    def block(self, queries: Loaded, gallery: Loaded) -> Any:
        """Returns v, Q x N; valid until this thread's next call."""

    def exclude(self, v: Any, rows: Int64s, columns: Int64s) -> None:
        """Puts the values of these pairs out of all matches' reach."""

    def tallies(self, edges: Edges, first: int, v: Any) -> Iterator[tuple[int, Tally]]:
        """Yields (first query, tally) of runs of rows of ``v``, whose first is query ``first``."""

    def error(self, dim: int, sizes: Float64s, most: Float64s) -> Float64s:
        """Returns error bounds.

        Args:
            dim: number of dimensions.
            sizes: Q x S sizes of queries.
            most: S sizes that no gallery row exceeds; or S x Q, those of one row for each query.
        """

    def finer(self) -> Kernel | None:
        """Returns a slower kernel of smaller errors, if there is one."""


def chunks(dim: int, width: int) -> list[slice]:
    """Returns the runs of about ``width`` dimensions that are summed on their own.

    Nearly equal ones: a short last run would cost another pass over the sums for nothing.

    >>> chunks(1280, 512)
    [slice(0, 640, None), slice(640, 1280, None)]
    """
    size = -(-dim // max(1, round(dim / width)))
    return [slice(start, min(start + size, dim)) for start in range(0, dim, size)]


class Host:
    """What kernels have in common whose blocks are NumPy's."""

    def exclude(self, v: Any, rows: Int64s, columns: Int64s) -> None:
        v[rows, columns] = np.inf

    def tallies(self, edges: Edges, first: int, v: Any) -> Iterator[tuple[int, Tally]]:
        step = max(1, _TALLIED // max(1, v.shape[1]))
        for start in range(0, len(v), step):
            found = tally(edges, first + start, np.ascontiguousarray(v[start : start + step]))
            if found:
                yield first + start, found


class Product(Host):
    """What kernels have in common that expand ||q - g||^2 into norms and a float32 product."""

    name: str
    bearable = 0.0015
    chunk = _CHUNK

    def finer(self) -> Kernel | None:
        if self.chunk <= _FINEST:
            return None
        other: Any = copy.copy(self)  # which shares this one's memory
        other.chunk, other.name = self.chunk // 2, f"{self.name}/2"
        other.bearable = self.bearable * 4  # each step costs more than the one before
        kernel: Kernel = other
        return kernel

    def error(self, dim: int, sizes: Float64s, most: Float64s) -> Float64s:
        a, b, runs = sizes[:, 0], most[0], chunks(dim, self.chunk)
        error: Float64s = gamma(runs[0].stop + len(runs) + 2) * 2 * a * b
        error += 4 * UNIT * b**2 + FLUSHED * dim
        return error
