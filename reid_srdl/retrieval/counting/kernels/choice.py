"""Which kernel serves a problem best; ranks do not depend on it.

The costs of float32 and integer products are foretold in float32 multiply-adds per pair, from a
sample of queries and gallery rows: products, what the gallery's rows must be split for, and the
pairs that would stay open.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np

from reid_srdl.retrieval.counting.frame import Frame, squared_norms
from reid_srdl.retrieval.counting.kernels.integer_product import MOST_DIMENSIONS, is_exact
from reid_srdl.retrieval.counting.kernels.kernel import Float64s, Kernel, Loaded
from reid_srdl.retrieval.counting.kernels.on_faiss import FaissKernel
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.split import Split, leading_directions
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.retrieval.rows import Rows


@dataclass(frozen=True)
class Problem:
    """What is to be counted: negatives of ``gallery`` ahead of the ``targets``, in a frame."""

    frame: Frame
    queries: Rows
    gallery: Rows
    targets: Targets


def choose(problem: Problem, rows: int, device: str = "cpu") -> Kernel:
    """Returns the kernel to use for a problem; ranks do not depend on the choice.

    On the CPU that is the integers' kernel where the forecast is good. Otherwise NumPy's product is
    timed on a probe, and FAISS's kernel too where it is loaded already, or where the whole product
    would take much longer than loading it.

    Args:
        problem: the problem, or a part of it that tells of the rest.
        rows: for how many gallery rows to choose.
        device: ``cpu``, or a torch device such as ``cuda``.
    """
    if device != "cpu":
        from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel

        return TorchKernel(device)
    dim = problem.gallery.dim
    work = len(problem.queries) * rows * dim
    if work < _SAMPLED_WORK:
        return NumpyKernel()
    integers = _integers(problem, rows)
    if integers is not None:
        return integers
    return NumpyKernel() if work < _PROBED_WORK else _float32(len(problem.queries), rows, dim)


_SAMPLED_WORK = 2 * 10**10  # multiply-adds; below, a quarter second, and samples would show
_PROBED_WORK = 3 * 10**11  # below, a few seconds at most, and probes would show
_WORTH_LOADING = 30.0  # seconds; loading FAISS takes 0.7 of them


# Integers or float32 --------------------------------------------------------------------------

_DIRECTIONS = (8, 16, 32, 64, 128, 256)  # how many may lead
_LEAST, _MOST = 1 / 32, 1 / 4  # of the dimensions
_DRAWN, _THOROUGH = 256, 768  # rows that tell the directions, twice as many as directions at least
_THOROUGH_WORK = 10**12  # multiply-adds from which on more rows pay
_TRIED_ROWS, _TRIED_QUERIES = 128, 48
# In float32 multiply-adds, measured: a multiply-add of integers; splitting a value, for each
# direction and besides; deciding an open pair, for each dimension and besides.
_INTEGER, _DIRECTION, _VALUE, _OPEN, _PAIR = 0.27, 3.0, 40.0, 35.0, 20000.0


def _integers(problem: Problem, rows: int) -> IntegerKernel | None:
    """Returns the integers' kernel that costs least, if that is less than float32's."""
    dim = problem.gallery.dim
    work = len(problem.queries) * rows * dim
    number = _DRAWN if work < _THOROUGH_WORK else _THOROUGH
    most = min(_MOST * dim, number / 2)
    directions = [k for k in _DIRECTIONS if _LEAST * dim <= k <= most]
    if not directions or dim > MOST_DIMENSIONS or len(problem.gallery) < number + _TRIED_ROWS:
        return None
    if not is_exact():
        return None
    tried = _spread(len(problem.gallery), _TRIED_ROWS)
    drawn = np.setdiff1d(_spread(len(problem.gallery), number + _TRIED_ROWS), tried)[:number]
    placed = problem.frame.place(problem.gallery.take(drawn))
    split = Split(leading_directions(placed, max(directions)))
    trial = _Trial(problem, tried)
    costs = {}
    for k in directions:
        kernel = IntegerKernel(split.first(k))
        per_value = (_DIRECTION * k + _VALUE) / len(problem.queries)
        costs[kernel] = dim * (_INTEGER + per_value) + k
        costs[kernel] += trial.open_share(kernel) * (_OPEN * dim + _PAIR)
    best = min(costs, key=lambda kernel: costs[kernel])
    return best if costs[best] < dim else None


class _Trial:
    """Some queries and gallery rows, to see how many of their pairs would stay open."""

    def __init__(self, problem: Problem, tried: Int64s) -> None:
        queries = _spread(len(problem.queries), _TRIED_QUERIES)
        self._q = problem.frame.place(problem.queries.take(queries))
        self._g = problem.frame.place(problem.gallery.take(tried))
        self._squares = squared_norms(self._q), squared_norms(self._g)
        distances = self._squares[1] + self._squares[0][:, None] - 2.0 * self._q @ self._g.T
        self._apart = np.empty_like(distances)  # from the nearest match's distance
        for row, query in enumerate(queries.tolist()):
            self._apart[row] = _apart(problem, query, tried, distances[row])

    def open_share(self, kernel: IntegerKernel) -> float:
        """Returns the share of the pairs that the kernel would leave open."""
        queries, gallery = (
            kernel.split.pieces(p, squares).sizes
            for p, squares in zip((self._q, self._g), self._squares, strict=True)
        )
        error = kernel.error(self._q.shape[1], queries, gallery.max(axis=0))
        return float((self._apart <= error[:, None]).mean())


def _apart(problem: Problem, query: int, tried: Int64s, distances: Float64s) -> Float64s:
    """Returns how far some rows' distances are from the nearest of a query's matches."""
    targets, same = problem.targets, problem.targets.same
    own = targets.distances[targets.offsets[query] : targets.offsets[query + 1]]
    ends = np.concatenate([[-np.inf], own * problem.frame.scale**2, [np.inf]])
    place = ends.searchsorted(distances)
    apart: Float64s = np.minimum(distances - ends[place - 1], ends[place] - distances)
    first, last = same.query.searchsorted([query, query + 1])
    apart[np.isin(tried, same.gallery[first:last])] = np.inf  # not to be counted
    return apart


def _spread(count: int, number: int) -> Int64s:
    """Returns up to ``number`` positions spread over ``count`` rows."""
    return np.linspace(0, count - 1, min(number, count), dtype=np.int64)


# Which float32 kernel -------------------------------------------------------------------------


def _float32(queries: int, gallery: int, dim: int) -> Kernel:
    ours = NumpyKernel()
    shape = min(queries, 256), min(gallery, 1024), dim
    seconds = _probe(ours, *shape)
    whole = seconds * queries * gallery / (shape[0] * shape[1])
    if "faiss" not in sys.modules and whole < _WORTH_LOADING:
        return ours
    theirs = FaissKernel()
    return theirs if _probe(theirs, *shape) < seconds else ours


def _probe(kernel: Kernel, queries: int, gallery: int, dim: int) -> float:
    """Returns the seconds of one block of this size, after one to warm up."""

    def load(rows: int) -> tuple[np.ndarray, np.ndarray]:
        return np.ones((rows, dim), np.float32), np.full(rows, float(dim))

    q: Loaded = kernel.load_queries(*load(queries))
    g: Loaded = kernel.load_gallery(*load(gallery))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        kernel.block(q, g)
        times.append(time.perf_counter() - start)
    return min(times[1:])
