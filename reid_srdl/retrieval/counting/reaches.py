"""Which edges serve which gallery rows, for one kernel and its queries.

Edges hold for rows of sizes up to some (see `kernels`), and making them takes as long as a block of
estimates. So they are made for somewhat larger sizes than those at hand, and serve later blocks
too, whose errors are as large: within a fifth for rows of usual errors, where edges farther apart
would leave more pairs open, and within four times for worse rows, which are few.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded, row_errors, usual_sizes
from reid_srdl.retrieval.counting.levels import levels
from reid_srdl.retrieval.counting.windows import Float64s, Reach, window
from reid_srdl.retrieval.protocol import Int64s

_ROOM = 1.0625
_AMPLE, _HARDLY = 1.25, 1.01  # so much for sizes that raise the error by no more than that
_USUAL, _WORSE = 4.0, 0.5  # how many edges to twice the error


class Reaches:
    """Edges for gallery rows of one level or another; several threads may ask at once.

    Args:
        kernel: whose estimates are to be placed.
        queries: the problem's queries, as the kernel loaded them.
        problem: what is counted.
    """

    def __init__(self, kernel: Kernel, queries: Loaded, problem: Problem) -> None:
        self._kernel, self._sizes, self._problem = kernel, queries.sizes, problem
        self._typical = usual_sizes(queries.sizes)
        self._made: dict[tuple[bool, int], tuple[Float64s, Edges]] = {}
        self._lock = threading.Lock()

    def levels(self, sizes: Float64s) -> Int64s:
        """Returns the levels of N gallery rows of these sizes among each other."""
        errors = self._errors(sizes)
        return levels(errors, float(np.median(errors)), self._kernel.like)

    def edges(self, level: int, most: Float64s) -> Edges:
        """Returns the edges for gallery rows of this level and of sizes up to these."""
        with self._lock:
            key = level > 0, self._step(most, _WORSE if level else _USUAL)
            reach, edges = self._made.get(key, (np.zeros_like(most), None))
            if edges is not None and (most <= reach).all():
                return edges
            if edges is not None:
                edges.retired = True
            reach = np.maximum(reach, self._with_room(most))
            targets = self._problem.targets
            edges = Edges(targets, *window(targets.distances, self._limits(reach), targets.slack))
            self._made[key] = reach, edges
            return edges

    def _errors(self, sizes: Float64s) -> Float64s:
        return row_errors(self._kernel, self._problem.dim, self._typical, sizes)

    def _step(self, most: Float64s, steps: float) -> int:
        error = float(self._errors(most[None])[0])
        return round(steps * math.log2(error)) if 0 < error < math.inf else 0

    def _with_room(self, most: Float64s) -> Float64s:
        room, error = np.full_like(most, _ROOM), self._errors(most[None])[0]
        for size in range(len(most)):
            larger = most.copy()
            larger[size] *= _AMPLE
            if self._errors(larger[None])[0] <= _HARDLY * error:
                room[size] = _AMPLE
        return most * room

    def _limits(self, most: Float64s) -> Reach:
        kernel, query = self._kernel, self._problem.targets.query
        norms = self._sizes[:, 0]
        offset = kernel.offset(norms**2)
        error = kernel.error(self._problem.dim, self._sizes, most)
        return Reach(
            self._problem.dim,
            self._problem.frame.scale,
            norms[query],
            float(most[0]),
            offset[query],
            error[query],
        )
