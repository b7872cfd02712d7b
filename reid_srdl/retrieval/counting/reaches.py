"""Which edges serve which gallery rows, for one kernel and its queries.

Edges hold for rows of errors up to some (see `kernels`), and making them takes as long as a block
of estimates. So they are made for somewhat larger errors than those at hand, rounded up to the next
of four steps to twice the error, and serve later blocks too. Edges farther apart would leave more
pairs in windows.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np

from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.windows import Float32s, Float64s, Reach, limits, window
from reid_srdl.retrieval.labels import Int64s

_STEPS = 4.0  # to twice the error
_LONGER = 2.0  # what norms may grow by: by themselves they hardly matter


@dataclass(frozen=True)
class _Made:
    """Edges, and the errors and the largest norm that they were made for."""

    edges: Edges
    errors: Float64s
    norm: float


class Reaches:
    """Edges for gallery rows of any errors; several threads may ask at once.

    Args:
        kernel: whose estimates are to be placed.
        queries: the problem's queries, as the kernel loaded them.
        problem: what is counted.
    """

    def __init__(self, kernel: Kernel, queries: Loaded, problem: Problem) -> None:
        self._kernel, self._sizes, self._problem = kernel, queries.sizes, problem
        self._typical: Float64s = np.median(queries.sizes, axis=0)[None]
        self._made: dict[int, _Made] = {}
        self._lock = threading.Lock()

    def edges(self, most: Float64s) -> Edges:
        """Returns the edges for gallery rows of sizes up to these."""
        errors = self._kernel.error(self._problem.dim, self._sizes, most)
        with self._lock:
            step, room = self._step(most)
            made = self._made.get(step)
            if made and most[0] <= made.norm and (errors <= made.errors).all():
                return made.edges
            errors, norm = errors * room, float(most[0]) * _LONGER
            if made:
                errors, norm = np.maximum(errors, made.errors), max(norm, made.norm)
            targets = self._problem.targets
            reach = self._reach(targets.query, errors[targets.query], norm)
            edges = Edges(targets, *window(targets.distances, reach, targets.slack))
            self._made[step] = _Made(edges, errors, norm)
            return edges

    def limits(self, query: Int64s, values: Float32s, sizes: Float64s) -> tuple[Float64s, Float64s]:
        """Returns what P pairs' distances are, at least and at most, by the pairs' own errors.

        These are smaller than the largest of a block: a third to a half of the pairs in windows
        need no closer look.

        Args:
            query: their queries' positions.
            values: their estimates.
            sizes: P x S sizes of their gallery rows.
        """
        error = self._kernel.error(self._problem.dim, self._sizes[query], sizes.T)
        return limits(values, self._reach(query, error, sizes[:, 0]))

    def _reach(self, query: Int64s, error: Float64s, gallery_norms: Float64s | float) -> Reach:
        norms, frame = self._sizes[query, 0], self._problem.frame
        return Reach(self._problem.dim, frame.scale, norms, gallery_norms, norms**2, error)

    def _step(self, most: Float64s) -> tuple[int, float]:
        """Returns the step of these sizes' error for a usual query, and the factor up to it."""
        error = float(self._kernel.error(self._problem.dim, self._typical, most)[0])
        if not 0 < error < math.inf:
            return 0, 1.0
        step = math.ceil(_STEPS * math.log2(error))
        return step, 2.0 ** (step / _STEPS) / error
