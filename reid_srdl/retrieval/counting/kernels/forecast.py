"""Foretells which share of each query's pairs a kernel would leave open.

An estimate that is off by E leaves open the pairs whose squared distances lie within E of one of
the query's matches: for each match a stretch of 2E, or from the match before if that is nearer.
The distances of a query (not squared) are roughly normal; a few gallery rows show their mean mu and
deviation sigma, so that squared distances have the density phi((sqrt(t) - mu) / sigma) / (2 sigma
sqrt(t)) at a match's t. Only speed depends on how well this fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reid_srdl.retrieval.arithmetic.parallel import each
from reid_srdl.retrieval.counting.frame import Frame, squared_norms
from reid_srdl.retrieval.counting.kernels.kernel import Float64s
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

_GALLERY, _QUERIES = 128, 48  # rows that show distances, and queries that show errors
_BETTER_AND_WORSE = (1 / 6, 1 / 2, 5 / 6)  # quantiles of gallery rows
_TINY = 1e-30


@dataclass(frozen=True)
class Problem:
    """What is to be counted: which of ``images`` are ahead of the ``targets``, in a frame."""

    frame: Frame
    queries: Rows
    images: Rows
    targets: Targets

    @property
    def dim(self) -> int:
        """Number of dimensions, D."""
        return self.images.dim

    def select(self, queries: Int64s | None) -> tuple[Problem, Int64s]:
        """Returns the problem of some queries alone, and which of the M matches are theirs."""
        if queries is None:
            return self, np.arange(len(self.targets.query))
        targets, matches = self.targets.select(queries)
        return Problem(self.frame, self.queries.select(queries), self.images, targets), matches

    @cached_property
    def forecast(self) -> Forecast:
        """How many pairs would stay open, by a sample."""
        return Forecast(self)


class Forecast:
    """Shares of pairs that kernels would leave open.

    Attributes:
        rows: the gallery rows that show distances.
    """

    def __init__(self, problem: Problem) -> None:
        frame, queries, targets = problem.frame, problem.queries, problem.targets
        self.rows = spread(len(problem.images), _GALLERY)
        self._g = frame.place(problem.images.take(self.rows))
        self._squares = squared_norms(self._g)
        self._norms, mean, deviation = np.empty((3, len(queries)))

        def measure(step: tuple[int, int]) -> None:
            p, part = frame.place(queries.block(*step)), slice(*step)
            squares = squared_norms(p)
            distances = self._squares + squares[:, None] - 2.0 * (p @ self._g.T)
            distances = np.sqrt(np.maximum(distances, 0.0))
            self._norms[part] = np.sqrt(squares)
            mean[part], deviation[part] = distances.mean(axis=1), distances.std(axis=1)

        list(each(measure, queries.steps()))
        self._q = frame.place(queries.take(spread(len(queries), _QUERIES)))
        self._query = targets.query
        squared = targets.distances * frame.scale**2
        self._before = np.diff(squared, prepend=-np.inf)
        self._before[targets.offsets[:-1][np.diff(targets.offsets) > 0]] = np.inf
        distance = np.sqrt(np.maximum(squared, _TINY))
        sigma = np.maximum(deviation, _TINY)[self._query]
        normal = np.exp(-0.5 * ((distance - mean[self._query]) / sigma) ** 2)
        self._density = normal / (math.sqrt(2 * math.pi) * sigma * 2 * distance)

    def open_shares(self, kernel: IntegerKernel) -> Float64s:
        """Returns for each of Q queries the share of its pairs that ``kernel`` leaves open."""
        norms, shares = self._norms[self._query], np.zeros(len(self._norms))
        errors = self._relative_errors(kernel)
        for error in errors.tolist():
            stretches = np.minimum(self._before, 2 * error * norms) * self._density
            own = np.bincount(self._query, stretches, minlength=len(shares))
            shares += np.minimum(own, 1.0) / len(errors)
        return shares

    def _relative_errors(self, kernel: IntegerKernel) -> Float64s:
        """Returns error bounds for a query of norm 1: those of better and of worse gallery rows."""
        dim, squares = self._q.shape[1], squared_norms(self._q)
        queries = kernel.split.pieces(self._q, squares).sizes
        gallery = kernel.split.pieces(self._g, self._squares).sizes
        errors = np.array([kernel.error(dim, query[None], gallery.T) for query in queries])
        errors /= np.maximum(np.sqrt(squares), _TINY)[:, None]
        found: Float64s = np.quantile(errors.mean(axis=0), _BETTER_AND_WORSE)
        return found


def spread(count: int, number: int) -> Int64s:
    """Returns up to ``number`` positions spread over ``count`` rows."""
    return np.linspace(0, count - 1, min(number, count), dtype=np.int64)
