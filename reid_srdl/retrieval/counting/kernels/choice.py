"""Which kernel serves a problem best; ranks do not depend on it.

The costs of float32 and integer products are foretold in float32 multiply-adds per pair, from a
sample of queries and gallery rows: products, what the gallery's rows must be split for, and the
pairs that would stay open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reid_srdl.retrieval.counting.kernels.forecast import Problem, spread
from reid_srdl.retrieval.counting.kernels.integer_product import MOST_DIMENSIONS, is_exact
from reid_srdl.retrieval.counting.kernels.kernel import Float64s, Kernel
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.split import Split, leading_directions
from reid_srdl.retrieval.labels import Int64s


class Share(NamedTuple):
    """A kernel, and the positions of the queries that it serves, ascending; None: all of them."""

    kernel: Kernel
    queries: Int64s | None = None


def choose(problem: Problem, rows: int, device: str = "cpu") -> Kernel:
    """Returns the kernel to use for a problem; ranks do not depend on the choice.

    On the CPU that is the integers' kernel where the forecast is good, and NumPy's otherwise.

    Args:
        problem: the problem, or a part of it that stands for the rest.
        rows: for how many gallery rows to choose.
        device: ``cpu``, or a torch device such as ``cuda``.
    """
    if device != "cpu":
        from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel

        return TorchKernel(device)
    if len(problem.queries) * rows * problem.dim < _SAMPLED_WORK:
        return NumpyKernel()
    return _integers(problem, rows) or NumpyKernel()


_SAMPLED_WORK = 2 * 10**10  # multiply-adds; below, a quarter second, and samples would show


def divided(problem: Problem, kernel: Kernel) -> list[Share]:
    """Divides the queries between integers and float32, where that is the faster for some.

    Queries differ: on real features a fifth of them has three quarters of all pairs that integers
    leave open. Ranks do not depend on the division.
    """
    if not isinstance(kernel, IntegerKernel):
        return [Share(kernel)]
    dearer = _dearer(problem, kernel)
    hard = dearer > 0
    if dearer[hard].sum() <= _SECOND * problem.dim:
        return [Share(kernel)]
    if hard.all():  # a kernel may have been chosen for other matches
        return [Share(NumpyKernel())]
    return [Share(kernel, np.flatnonzero(~hard)), Share(NumpyKernel(), np.flatnonzero(hard))]


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
    if not directions or dim > MOST_DIMENSIONS or len(problem.images) < 2 * number:
        return None
    if not is_exact():
        return None
    drawn = np.setdiff1d(spread(len(problem.images), 2 * number), problem.forecast.rows)
    placed = problem.frame.place(problem.images.take(drawn[spread(len(drawn), number)]))
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
