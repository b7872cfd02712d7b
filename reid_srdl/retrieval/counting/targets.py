"""Each query's true matches and their distances: what negatives must beat.

The definition's distance of a match is computed where an image lies so near to it that float32 and
float64 sums cannot tell them apart. Elsewhere a float64 product serves, over all queries and all
gallery images of one identity at once. With c one of these gallery images, x' = fl64(x - c),
u = 2^-53, a = ||q'|| and b = ||g'||, the estimate

    t = a^2 + b^2 - 2 q' g'

is off ||q - g||^2 by at most 2.1 u (a + b)^2 for the roundings of x' (||x' - (x - c)|| <= u ||x'||,
triangle inequality), and by gamma_(D+3) (a + b)^2 for those of the sums, in any order (Higham 2002,
section 3.1; by Cauchy's inequality their magnitudes add up to (a + b)^2 at most). The definition is
off by eps ||q - g||^2 <= eps (a + b)^2. ``slack`` is more than twice the sum of these bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting.exact import (
    pair_distances,
    relative_error,
    rough_distances,
)
from reid_srdl.retrieval.counting.parallel import each, parts
from reid_srdl.retrieval.protocol import Int64s, SamePid
from reid_srdl.retrieval.rows import Rows

_PAIR_VALUES = 1 << 17  # feature values gathered at once for each side: they stay in cache
_ROUGH_VALUES = 1 << 18  # likewise, where fewer would cost more calls than more cost cache
_PART_PAIRS = 4096  # pairs that one thread decides in a go
_GROUP_VALUES = 1 << 19  # feature values of the identities that one thread multiplies in a go
_FEW = 6  # pairs of an identity, on average, for which the definition is as fast as a product

Float64s = NDArray[np.float64]


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


@dataclass(frozen=True)
class Targets:
    """The M matches of Q queries.

    Attributes:
        same: all same-identity pairs, which never count as negatives.
        offsets: Q + 1 positions; query i has matches offsets[i] to offsets[i + 1].
        query: M query positions.
        gallery: M gallery positions.
        distances: M estimates of the squared Euclidean distances, ascending within a query.
        slack: M bounds, one for each query: the definition is within distances +- slack.
        defined: the definition's distances of some of the matches.
    """

    same: SamePid
    offsets: Int64s
    query: Int64s
    gallery: Int64s
    distances: Float64s
    slack: Float64s
    defined: Callable[[Int64s], Float64s] = field(repr=False, compare=False)

    def between(
        self, low: Int64s, high: Int64s, distances: Float64s, error: Float64s
    ) -> tuple[Int64s, Int64s]:
        """Finds how many matches are ahead of P images at least, and at most.

        Args:
            low, high: the matches that are in question; those before are ahead of the image.
            distances, error: the images' distances are within distances +- error.

        Returns:
            (least, most), P positions of the first match that is behind.
        """
        nearest, farthest = distances - error, distances + error

        def surely(match: Int64s, pair: Int64s) -> Any:
            return self.distances[match] + self.slack[match] < nearest[pair]

        def perhaps(match: Int64s, pair: Int64s) -> Any:
            return self.distances[match] - self.slack[match] <= farthest[pair]

        return _bisected(low, high, surely), _bisected(low, high, perhaps)

    def position(self, low: Int64s, high: Int64s, distances: Float64s, gallery: Int64s) -> Int64s:
        """Finds where P gallery images stand among matches, by (distance, gallery position).

        Args:
            low, high: the matches that are in question; no match outside can change places with one
                of them. Those before are ahead of the image, those after are behind.
            distances: P distances by the definition.
            gallery: P gallery positions.

        Returns:
            P positions of the first match that is behind; ``high`` where there is none among them.
        """
        # Runs of matches, each once, its matches put into the definition's order.
        starts, run = np.unique(low, return_inverse=True)
        stops = np.zeros_like(starts)
        np.maximum.at(stops, run, high)
        sizes = stops - starts
        ends = np.cumsum(sizes)
        matches = np.arange(ends[-1]) + np.repeat(starts - (ends - sizes), sizes)
        whose = np.repeat(np.arange(len(starts)), sizes)
        found, at = self.defined(matches), self.gallery[matches]
        order = np.lexsort((at, found, whose))
        found, at = found[order], at[order]

        def ahead(match: Int64s, pair: Int64s) -> Any:
            there, d = found[match], distances[pair]
            return (there < d) | ((there == d) & (at[match] < gallery[pair]))

        first = (ends - sizes)[run]
        behind = _bisected(first, first + sizes[run], ahead)
        behind += low - first
        return behind


def _bisected(low: Int64s, high: Int64s, ahead: Callable[[Int64s, Int64s], Any]) -> Int64s:
    """Returns for each of P runs the first element that is not ahead, or the run's end."""
    low, high = low.copy(), high.copy()
    open_ = np.flatnonzero(low < high)
    while open_.size:
        middle = (low[open_] + high[open_]) // 2
        before = ahead(middle, open_)
        low[open_[before]] = middle[before] + 1
        high[open_[~before]] = middle[~before]
        open_ = open_[low[open_] < high[open_]]
    return low


def find_targets(queries: Rows, gallery: Rows, same: SamePid) -> Targets:
    """Estimates the distance of every match and sorts each query's matches."""
    query, position = same.query[same.match], same.gallery[same.match]
    sizes = np.bincount(query, minlength=len(queries))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    groups = _groups(same, len(queries))
    if len(same.query) < _FEW * len(groups):
        slices = [slice(*part) for part in parts(len(query), _PART_PAIRS)]
        found = each(lambda s: exact_distances(queries, gallery, query[s], position[s]), slices)
        distances = np.concatenate([np.empty(0), *found])
        slack = np.zeros(len(queries))
    else:
        distances, slack = _estimates(queries, gallery, same, groups)
        distances = distances[same.match]
    order = np.lexsort((position, distances, query))
    query, position = query[order], position[order]
    defined = Defined(queries, gallery, query, position)
    return Targets(same, offsets, query, position, distances[order], slack[query], defined)


@dataclass(frozen=True)
class _Group:
    """Queries that have the same gallery images of their identity."""

    queries: Int64s
    gallery: Int64s
    starts: Int64s  # of each query's pairs


def _groups(same: SamePid, queries: int) -> list[_Group]:
    starts = np.searchsorted(same.query, np.arange(queries + 1))
    sizes = np.diff(starts)
    some = np.flatnonzero(sizes)
    first = same.gallery[starts[some]]
    some = some[np.lexsort((some, sizes[some], first))]
    fresh = np.diff(same.gallery[starts[some]]) | np.diff(sizes[some])
    return [
        _Group(of, same.gallery[starts[of[0]] : starts[of[0] + 1]], starts[of])
        for of in np.split(some, np.flatnonzero(fresh) + 1)
        if len(of)
    ]


def _estimates(
    queries: Rows, gallery: Rows, same: SamePid, groups: list[_Group]
) -> tuple[Float64s, Float64s]:
    """Returns estimates for all pairs of ``same`` and the slack of each query, by groups."""
    distances, slack = np.empty(len(same.query)), np.zeros(len(queries))

    def estimate(some: list[_Group]) -> None:
        q = queries.take(np.concatenate([group.queries for group in some]))
        g = gallery.take(np.concatenate([group.gallery for group in some]))
        row = column = 0
        for group in some:
            rows, columns = len(group.queries), len(group.gallery)
            near, most = _product(q[row : row + rows], g[column : column + columns])
            slack[group.queries] = most
            for start, values in zip(group.starts.tolist(), near, strict=True):
                distances[start : start + columns] = values
            row, column = row + rows, column + columns

    list(each(estimate, list(_batches(groups, _GROUP_VALUES // queries.dim))))
    return distances, slack


def _batches(groups: list[_Group], rows: int) -> Iterator[list[_Group]]:
    batch: list[_Group] = []
    held = 0
    for group in groups:
        batch.append(group)
        held += len(group.queries) + len(group.gallery)
        if held >= rows:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _product(q: NDArray[np.float32], g: NDArray[np.float32]) -> tuple[Float64s, Float64s]:
    """Returns estimates, Q x N, and the slack of each query; see above."""
    centre = g[0].astype(np.float64)
    q_wide, g_wide = q - centre, g - centre
    a = np.einsum("nd,nd->n", q_wide, q_wide)
    b = np.einsum("nd,nd->n", g_wide, g_wide)
    near = q_wide @ g_wide.T
    near *= -2
    near += a[:, None]
    near += b
    dim = q.shape[1]
    most = ((dim + 16) * 2.0**-52 + 2 * relative_error(dim)) * (np.sqrt(a) + np.sqrt(b.max())) ** 2
    return near, most


def exact_distances(queries: Rows, gallery: Rows, query: Int64s, position: Int64s) -> Float64s:
    """Returns the definition's squared distances of P pairs, in bounded memory."""
    out = np.empty(len(query), np.float64)
    step = max(1, _PAIR_VALUES // queries.dim)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        out[part] = pair_distances(queries.take(query[part]), gallery.take(position[part]))
    return out


def nearly(
    queries: Rows, gallery: Rows, query: Int64s, position: Int64s, scale: float
) -> tuple[Float64s, Float64s]:
    """Returns estimates of P pairs' distances and their errors; see `exact.rough_distances`."""
    near, error = np.empty(len(query)), np.empty(len(query))
    step = max(1, _ROUGH_VALUES // queries.dim)
    q, g = np.empty((2, min(step, len(query)), queries.dim), np.float32)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        rows = len(query[part])
        queries.take_into(query[part], q[:rows])
        gallery.take_into(position[part], g[:rows])
        near[part], error[part] = rough_distances(q[:rows], g[:rows], scale)
    return near, error
