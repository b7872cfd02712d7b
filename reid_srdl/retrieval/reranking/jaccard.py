"""Ranks by the final distances of k-reciprocal re-ranking, most of these never computed.

With m what a query and a gallery image share (equation 10 of the paper, see `rerank`),

    J = 1 - m / (2 - m)                                                                 equation 10
    final = (1 - lambda) J + lambda d                                                   equation 12

J is 1 wherever two images share no neighbour, and no image is nearer than (1 - lambda) J. So the
distances of a query's matches come first, and then only those of images with a (1 - lambda) J that
is not above the farthest match. Where images without a shared neighbour may be among them, bounds
(see `neighbours`) tell which of the gallery are ahead of which match, and only images whose bounds
straddle a match are computed; where these turn out too many, whole rows of distances are taken.
Ranks are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.protocol import Int64s, Labels, PidIndex
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.reranking.neighbours import Neighbours, pair_distances

_QUERIES = 256  # queries whose pairs are computed at once
_WHOLE = 64  # queries with a whole row of distances, or of bounds, at once
_STRADDLING = 0.1  # share of pairs that bounds may leave open; more cost as much as all distances
_HOPELESS = 3  # times that share: bounds are not tried again

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


class FinalDistances:
    """The final distances of queries to gallery images (equation 12).

    Args:
        x: N rows, the queries first.
        found: the largest distance from each, squared norms, and bounds.
        v: N x N, sparse.
        queries: how many of the rows are queries.
        lambda_: weight of the original distance.
    """

    def __init__(
        self, x: Float32s, found: Neighbours, v: Any, queries: int, lambda_: float
    ) -> None:
        self.queries, self.count = queries, len(x) - queries
        self._x, self._largest, self._lambda = x, found.largest, lambda_
        self._v, self._columns = v, v[queries:].tocsc()
        self._squares, self._bounds = found.squares.astype(np.float32), found.bounds
        self.bounds_decide = True  # until they leave far too many pairs open
        self.unshared = 1 - lambda_  # what the final distance is at least where J is 1

    def shared(self, query: int) -> Float64s:
        """Returns m of one query and all G gallery images (equation 10)."""
        columns, own = self._columns, slice(*self._v.indptr[query : query + 2])
        z, mine = self._v.indices[own], self._v.data[own]
        starts, sizes = columns.indptr[z], columns.indptr[z + 1] - columns.indptr[z]
        ends = np.cumsum(sizes)
        entries = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
        least = np.minimum(np.repeat(mine, sizes), columns.data[entries])
        m = np.bincount(columns.indices[entries], least, minlength=self.count)
        return m.astype(np.float64, copy=False)

    def pairs(self, query: Int64s, gallery: Int64s, m: Float64s) -> Float64s:
        """Returns the final distances of P pairs with these m."""
        d = pair_distances(self._x, query, gallery + self.queries)
        return self._joined(query, d, m)

    def between(self, query: Int64s, m: Float64s) -> tuple[Float64s, Float64s]:
        """Returns bounds of the final distances of some queries to the whole gallery."""
        lower, upper = self._bounds.between(query, self.queries)
        return self._joined(query[:, None], lower, m), self._joined(query[:, None], upper, m)

    def rows(self, query: Int64s, m: Float64s) -> Float64s:
        """Returns the final distances of some queries to the whole gallery; m likewise."""
        g = self._x[self.queries :]
        d = np.matmul(np.multiply(self._x[query], np.float32(-2)), g.T)
        d += self._squares[self.queries :]
        d += self._squares[query][:, None]
        return self._joined(query[:, None], np.maximum(d, 0, out=d), m)

    def _joined(self, query: Int64s, d: Float32s, m: Float64s) -> Float64s:
        jaccard = 1 - m / (2 - m)
        final: Float64s = self._lambda * (d / self._largest[query])
        final += (1 - self._lambda) * jaccard
        return final


def reranked(final: FinalDistances, queries: Labels, gallery: Labels) -> Iterator[Ranks]:
    """Yields the ranks of all matches by the final distances.

    Args:
        final: the final distances.
        queries, gallery: the labels.
    """
    same = PidIndex(gallery).same_pid(queries)
    matched = np.unique(same.query[same.match])
    bounds = np.searchsorted(same.query, np.arange(final.queries + 1))
    found: dict[int, Int64s] = {}
    for start in range(0, len(matched), _QUERIES):
        some = []
        for query in matched[start : start + _QUERIES].tolist():
            part = slice(bounds[query], bounds[query + 1])
            some.append(_Query(final, query, same.gallery[part], same.match[part]))
        _enter(final, some)
        near = [one for one in some if one.narrow()]
        _enter(final, near)
        found |= {one.query: one.ranks() for one in near}
        far = [one for one in some if one.farthest >= final.unshared]
        for first in range(0, len(far), _WHOLE):
            found |= _far_ranks(final, far[first : first + _WHOLE])
    if found:
        ranks = [found[query] for query in matched.tolist()]
        offsets = np.concatenate([[0], np.cumsum([len(own) for own in ranks])])
        yield Ranks(matched, offsets.astype(np.int64), np.concatenate(ranks))


class _Query:
    """One query's way to its ranks.

    Attributes:
        query: its position.
        positions, m: gallery images whose final distances are wanted next, and their m.
        finals: the final distances of these, once entered.
        farthest: the final distance of its farthest match, once narrowed.
    """

    def __init__(
        self, final: FinalDistances, query: int, same_pid: Int64s, match: NDArray[np.bool_]
    ) -> None:
        m = final.shared(query)
        self.query, self.unshared, self.farthest = query, final.unshared, np.inf
        self.positions, self.ignored = same_pid[match], same_pid[~match]
        self.m, self.finals = m[self.positions], np.empty(0)
        m[same_pid] = 0
        self._others = np.flatnonzero(m)
        self._others_m = m[self._others]

    def narrow(self) -> bool:
        """Given its matches' distances, asks for those of images that may be ahead of one.

        Returns:
            False where these may be images that share no neighbour with the query.
        """
        self._matches, self._match_finals = self.positions, self.finals
        self.farthest = float(self.finals.max())
        least = self.unshared * (1 - self._others_m / (2 - self._others_m))
        ahead = least <= self.farthest
        self.positions, self.m = self._others[ahead], self._others_m[ahead]
        return self.farthest < self.unshared

    def ranks(self) -> Int64s:
        """Returns its matches' ranks; equal distances by gallery index."""
        finals = np.concatenate([self._match_finals, self.finals])
        order = np.lexsort((np.concatenate([self._matches, self.positions]), finals))
        return 1 + np.flatnonzero(order < len(self._matches))

    def straddlers(self, lower: Float64s, upper: Float64s, m: Float64s) -> None:
        """Asks for the images that, by bounds of G final distances, may be ahead of a match or not.

        Those with a lower bound above the farthest match are ahead of none, and forgotten.
        """
        lower[self.ignored] = np.inf
        lower[self._matches] = np.inf
        self._near = np.flatnonzero(lower <= self.farthest)
        self._near_lower, upper = lower[self._near], upper[self._near]
        finals = np.sort(self._match_finals)
        below = np.searchsorted(finals, self._near_lower, "left")
        self._open = below < np.searchsorted(finals, upper, "right")
        self.positions = self._near[self._open]
        self.m = m[self.positions]

    def ranks_with_bounds(self) -> Int64s:
        """Returns its matches' ranks, given the straddlers' final distances."""
        self._near_lower[self._open] = self.finals  # elsewhere the bounds decide alike
        self.positions, self.finals = self._near, self._near_lower
        return self.ranks()

    def ranks_among(self, row: Float64s) -> Int64s:
        """Returns its matches' ranks from the final distances of the whole gallery."""
        row[self.ignored] = np.inf
        ahead = [
            np.count_nonzero(row < row[match]) + np.count_nonzero(row[:match] == row[match])
            for match in self._matches.tolist()
        ]
        return 1 + np.sort(np.array(ahead, np.int64))


def _enter(final: FinalDistances, some: list[_Query]) -> None:
    """Computes the final distances that some queries ask for."""
    if not some:
        return
    sizes = [len(one.positions) for one in some]
    query = np.repeat([one.query for one in some], sizes)
    positions = np.concatenate([one.positions for one in some])
    finals = final.pairs(query, positions, np.concatenate([one.m for one in some]))
    for one, own in zip(some, np.split(finals, np.cumsum(sizes)[:-1]), strict=True):
        one.finals = own


def _far_ranks(final: FinalDistances, some: list[_Query]) -> dict[int, Int64s]:
    """Returns the ranks of queries whose whole gallery may be ahead of a match."""
    rows = np.array([one.query for one in some])
    m = np.stack([final.shared(one.query) for one in some])
    if final.bounds_decide:
        lower, upper = final.between(rows, m)
        for number, one in enumerate(some):
            one.straddlers(lower[number], upper[number], m[number])
        pairs = sum(len(one.positions) for one in some)
        if pairs <= _STRADDLING * m.size:
            _enter(final, some)
            return {one.query: one.ranks_with_bounds() for one in some}
        final.bounds_decide = pairs <= _HOPELESS * _STRADDLING * m.size
    finals = final.rows(rows, m)
    return {one.query: one.ranks_among(row) for one, row in zip(some, finals, strict=True)}
