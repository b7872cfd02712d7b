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

from reid_srdl.retrieval.counting.kernels.forecast import Problem, spread
from reid_srdl.retrieval.counting.kernels.integer_product import MOST_DIMENSIONS, is_exact
from reid_srdl.retrieval.counting.kernels.kernel import Float64s, Kernel, Loaded
from reid_srdl.retrieval.counting.kernels.on_faiss import FaissKernel
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.split import Split, leading_directions
from reid_srdl.retrieval.labels import Int64s


@dataclass(frozen=True)
class Share:
    """Some of the queries, and the kernel that serves them.

    Attributes:
        kernel: the kernel.
        queries: their positions, ascending; None: all queries.
    """

    kernel: Kernel
    queries: Int64s | None = None


def choose(problem: Problem, rows: int, device: str = "cpu") -> Kernel:
    """Returns the kernel to use for a problem; ranks do not depend on the choice.

    On the CPU that is the integers' kernel where the forecast is good. Otherwise NumPy's product is
    timed on a probe, and FAISS's kernel too where it is loaded already, or where the whole product
    would take much longer than loading it.

    Args:
        problem: the problem, or a part of it that stands for the rest.
        rows: for how many gallery rows to choose.
        device: ``cpu``, or a torch device such as ``cuda``.
    """
    if device != "cpu":
        from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel

        return TorchKernel(device)
    dim = problem.dim
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


def divided(problem: Problem, kernel: Kernel) -> list[Share]:
    """Divides the queries between a kernel and its finer one, where that is the faster for some.

    Queries differ: on real features a fifth of them has three quarters of all pairs that integers
    leave open. Ranks do not depend on the division.
    """
    finer = kernel.finer()
    if not isinstance(kernel, IntegerKernel) or finer is None:
        return [Share(kernel)]
    dearer = _dearer(problem, kernel)
    hard = dearer > 0
    if dearer[hard].sum() <= _SECOND * problem.dim:
        return [Share(kernel)]
    if hard.all():  # a kernel may have been chosen for other matches
        return [Share(finer)]
    return [Share(kernel, np.flatnonzero(~hard)), Share(finer, np.flatnonzero(hard))]


# Integers or float32 --------------------------------------------------------------------------

_DIRECTIONS = (8, 16, 32, 64, 128, 256)  # how many may lead
_LEAST, _MOST = 1 / 32, 1 / 4  # of the dimensions
_DRAWN, _THOROUGH = 256, 768  # rows that give the directions, twice as many as directions at least
_THOROUGH_WORK = 10**12  # multiply-adds from which on more rows pay
# In float32 multiply-adds, measured.
# A pair's estimate: for each dimension, for each direction, and besides.
_BYTE, _LEAD, _SUM = 0.25, 1.1, 30.0
# Splitting a value: for each direction, and besides.
_DIRECTION, _VALUE = 3.3, 165.0
# Deciding an open pair: for each dimension, and besides.
_OPEN, _PAIR = 30.0, 30000.0
_SECOND = 100  # queries whose products cost as much as another pass over the gallery


def _integers(problem: Problem, rows: int) -> IntegerKernel | None:
    """Returns the integers' kernel that costs least, if that is less than float32's."""
    dim, number = problem.dim, _DRAWN
    if len(problem.queries) * rows * dim >= _THOROUGH_WORK:
        number = _THOROUGH
    most = min(_MOST * dim, number / 2)
    directions = [k for k in _DIRECTIONS if _LEAST * dim <= k <= most]
    if not directions or dim > MOST_DIMENSIONS or len(problem.gallery) < 2 * number:
        return None
    if not is_exact():
        return None
    drawn = np.setdiff1d(spread(len(problem.gallery), 2 * number), problem.forecast.rows)
    placed = problem.frame.place(problem.gallery.take(drawn[spread(len(drawn), number)]))
    split = Split(leading_directions(placed, max(directions)))
    costs = {}
    for k in directions:
        kernel = IntegerKernel(split.first(k))
        dearer = _dearer(problem, kernel)
        # Queries that float32 serves better are left to it.
        costs[kernel] = np.minimum(dearer, 0).sum() + (dearer > 0).any() * _SECOND * dim
        costs[kernel] += (_DIRECTION * k + _VALUE) * dim  # splitting
    best = min(costs, key=lambda kernel: costs[kernel])
    return best if costs[best] < 0 else None


def _dearer(problem: Problem, kernel: IntegerKernel) -> Float64s:
    """Returns how much more a gallery row costs each query by integers than by float32."""
    dim, k = problem.dim, kernel.split.leading
    deciding = problem.forecast.open_shares(kernel) * (_OPEN * dim + _PAIR)
    return _BYTE * dim + _LEAD * k + _SUM + deciding - dim


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
