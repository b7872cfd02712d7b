"""Distances of given pairs of query and gallery image, in bounded memory."""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.arithmetic import exact
from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.scratch import Scratch
from reid_srdl.retrieval.rows import Reader, Rows

_EXACT_VALUES = 1 << 17  # feature values gathered at once for each side: they stay in cache
_ROUGH_VALUES = 1 << 19  # likewise, where fewer would cost more calls than more cost cache
_SCRATCH = Scratch()


def exact_distances(queries: Rows, gallery: Rows, query: Int64s, position: Int64s) -> Float64s:
    """Returns the definition's squared distances of P pairs, in bounded memory."""
    out = np.empty(len(query), np.float64)
    step = max(1, _EXACT_VALUES // queries.dim)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        out[part] = exact.pair_distances(queries.take(query[part]), gallery.take(position[part]))
    return out


def nearly(
    queries: Rows, gallery: Rows, query: Int64s, position: Int64s, scale: float
) -> tuple[Float64s, Float64s]:
    """Returns estimates of P pairs' distances and their errors; see `exact.rough_distances`."""
    sums = np.empty(len(query))
    for here, side, own in queries.sides_of(query):
        sums[here] = _sums(
            side.reader(own), gallery.reader(position[here]), (len(own), queries.dim), scale
        )
    return exact.rough_distances(sums, queries.dim, scale)


def _sums(queries: Reader, gallery: Reader, shape: tuple[int, int], scale: float) -> Float64s:
    """Returns P scaled sums of squared differences, given P x D."""
    number, dim = shape
    step = max(1, _ROUGH_VALUES // dim)
    runs = np.empty((number, exact.runs(dim)), np.float32)
    q, g = _SCRATCH.array("pairs", (2, min(step, number), dim))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, number, step):
            part = slice(start, min(start + step, number))
            rows = part.stop - start
            queries(part, q[:rows])
            gallery(part, g[:rows])
            exact.rough_sums(q[:rows], g[:rows], scale, runs[part])
    sums: Float64s = runs.sum(axis=1, dtype=np.float64)
    return sums


class Defined:
    """The definition's distances of M pairs, each computed when it is first asked for."""

    def __init__(self, queries: Rows, gallery: Rows, query: Int64s, position: Int64s) -> None:
        self._queries, self._gallery = queries, gallery
        self._query, self._position = query, position
        self._known = np.full(len(query), np.nan)

    def __call__(self, pairs: Int64s) -> Float64s:
        """Returns the distances of P of the pairs."""
        # Two threads may both compute one: they find the same.
        missing = np.unique(pairs[np.isnan(self._known[pairs])])
        query, position = self._query[missing], self._position[missing]
        self._known[missing] = exact_distances(self._queries, self._gallery, query, position)
        return self._known[pairs]
