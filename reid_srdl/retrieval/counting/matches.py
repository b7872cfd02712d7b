"""Finds each query's matches and how far they are.

The definition's distance of a match is computed where an image lies so near to it that float32 and
float64 sums cannot tell them apart. Elsewhere a float64 product serves, over all queries and all
gallery images of an identity at once. With c a gallery image of one of some identities,
x' = fl64(x - c), u = 2^-53, a = ||q'|| and b = ||g'||, the estimate

    t = a^2 + b^2 - 2 q' g'

is off ||q - g||^2 by at most 2.1 u (a + b)^2 for the roundings of x' (||x' - (x - c)|| <= u ||x'||,
triangle inequality), and by gamma_(D+3) (a + b)^2 for those of the sums, in any order (Higham 2002,
section 3.1; by Cauchy's inequality their magnitudes add up to (a + b)^2 at most). The definition is
off by eps ||q - g||^2 <= eps (a + b)^2. ``slack`` is more than twice the sum of these bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reid_srdl.retrieval.arithmetic.exact import relative_error
from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.counting.pairs import Defined, exact_distances
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.counting.windows import Float64s
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.rules import SamePid

_PART_PAIRS = 4096  # pairs that one thread decides in a go
_GROUP_VALUES = 1 << 19  # feature values of the identities that one thread multiplies in a go
_FEW = 6  # pairs of an identity, on average, for which the definition is as fast as a product


def find_targets(queries: Rows, gallery: Rows, same: SamePid) -> Targets:
    """Estimates the distance of every match and sorts each query's matches."""
    query, position = same.query[same.match], same.image[same.match]
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
    first = same.image[starts[some]]
    some = some[np.lexsort((some, sizes[some], first))]
    fresh = np.diff(same.image[starts[some]]) | np.diff(sizes[some])
    return [
        _Group(of, same.image[starts[of[0]] : starts[of[0] + 1]], starts[of])
        for of in np.split(some, np.flatnonzero(fresh) + 1)
        if len(of)
    ]


def _estimates(
    queries: Rows, gallery: Rows, same: SamePid, groups: list[_Group]
) -> tuple[Float64s, Float64s]:
    """Returns estimates for all pairs of ``same`` and the slack of each query, by groups."""
    distances, slack = np.empty(len(same.query)), np.zeros(len(queries))

    def estimate(some: list[_Group]) -> None:
        own = np.concatenate([group.queries for group in some])
        q = queries.take(own)
        g = gallery.take(np.concatenate([group.gallery for group in some]))
        centre = g[0].astype(np.float64)
        q_wide, g_wide = q - centre, g - centre
        a, b = np.vecdot(q_wide, q_wide), np.vecdot(g_wide, g_wide)
        slack[own] = product_slack(queries.dim) * (np.sqrt(a) + np.sqrt(b.max())) ** 2
        row = column = 0
        for group in some:
            rows = slice(row, row := row + len(group.queries))
            columns = slice(column, column := column + len(group.gallery))
            near = q_wide[rows] @ g_wide[columns].T
            near *= -2
            near += a[rows, None]
            near += b[columns]
            for start, values in zip(group.starts.tolist(), near, strict=True):
                distances[start : start + len(values)] = values

    list(each(estimate, list(_batches(groups, _GROUP_VALUES // queries.dim))))
    return distances, slack


def product_slack(dim: int) -> float:
    """Returns the bound of the estimates' errors for a + b = 1; see above."""
    return (dim + 16) * 2.0**-52 + 2 * relative_error(dim)


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
