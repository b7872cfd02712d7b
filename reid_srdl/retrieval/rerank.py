"""k-reciprocal re-ranking in bounded memory.

Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017. Over all
N = Q + G images (queries and gallery), with d(p, j) the squared Euclidean distance divided by the
largest one from p (as the authors' code has it: theirs is the column's maximum, then transposed):

    N(p, k)    the k nearest to p (p itself comes first, so lists have k + 1 entries)
    R(p, k)    = {j in N(p, k): p in N(j, k)}                                            equation 2
    R*(p, k1)  = R(p, k1) and every R(c, k1/2), c in R(p, k1), of which R(p, k1) holds
               more than 2/3                                                             equation 3
    V[p, j]    = exp(-d(p, j)) for j in R*(p, k1), else 0; each row divided by its sum   equation 7
    V[p]       = mean of V[j] over the k2 nearest j of p                                equation 11
    J(p, j)    = 1 - m / (2 - m), m = sum over z of min(V[p, z], V[j, z])               equation 10
    final      = (1 - lambda) J + lambda d                                              equation 12

No N x N matrix exists: distances stream by in blocks of rows, of which the nearest and the largest
are kept; the sets and V are sparse. J is 1 wherever two images share no neighbour, so a query's
final distances to the whole gallery follow from one block row of d and a few entries, and ranks are
counted from them. The largest distance from each image needs all pairs once, so the neighbours come
from the same products and not from a search of their own.

NOTE: products are float32 (final distances float64), so, unlike ranks by distance, re-ranked ones
may differ in near-ties from machine to machine. Junk takes no part; images of the query's own
identity and camera do, as anything unlabelled would, until ranks are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.retrieval.counting.frame import frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.protocol import Int64s, Labels, PidIndex
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.rows import Rows

_BLOCK = 1 << 23  # distances held at once: 32 MiB
_PAIR_VALUES = 1 << 20  # feature values gathered at once for each side of pairs
_ROWS = 4096  # rows of sparse products at once
_GROUP = 64  # columns whose smallest distance bounds the k-th nearest

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class KReciprocalRanker:
    """Ranks by the re-ranked distance.

    Attributes:
        k1: neighbours that may be reciprocal.
        k2: neighbours over which V is averaged; 1: none.
        lambda_: weight of the original distance.
    """

    k1: int = 20
    k2: int = 6
    lambda_: float = 0.3

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches; all queries take part as neighbours.

        Raises:
            UserError: k1 or k2 does not fit the number of images.
        """
        if not len(queries):
            return
        count = len(queries) + len(gallery)
        if not 1 <= self.k2 <= self.k1 + 1 <= count:
            raise UserError(
                f"k1 = {self.k1}, k2 = {self.k2} for {count:,} images",
                "choose 1 <= k2 <= k1 + 1, and k1 below the number of images",
                usage=True,
            )
        frame = frame_for(queries, gallery)
        x = np.concatenate([placed_rows(frame, queries), placed_rows(frame, gallery)])
        squares = squared_norms(x).astype(np.float32)
        near, largest = _neighbours(x, squares, self.k1 + 1, progress)
        v = self._encoded(x, near, largest)
        yield from self._ranked(x, squares, largest, v, (query_labels, gallery_labels))

    def told(self) -> dict[str, str]:
        """Names the method and its parameters."""
        return {
            "rerank": f"k-reciprocal (Zhong et al. 2017): k1 {self.k1}, k2 {self.k2}, "
            f"lambda {self.lambda_:g}; squared Euclidean distances over each image's largest; "
            "junk takes no part"
        }

    def _encoded(self, x: Float32s, near: Int64s, largest: Float64s) -> Any:
        """Returns V, N x N, sparse."""
        from scipy import sparse

        half = int(np.around(self.k1 / 2)) + 1
        sets = _expanded(_reciprocal(near), _reciprocal(near[:, :half]))
        row = np.repeat(np.arange(len(x)), np.diff(sets.indptr))
        d = _pair_distances(x, row, sets.indices) / largest[row]
        weights = np.exp(-d)
        sums = np.bincount(row, weights, minlength=len(x))
        v = sparse.csr_array((weights / sums[row], sets.indices, sets.indptr), shape=sets.shape)
        return v if self.k2 == 1 else _listed(near[:, : self.k2]) / self.k2 @ v

    def _ranked(
        self, x: Float32s, squares: Float32s, largest: Float64s, v: Any, labels: tuple[Labels, ...]
    ) -> Iterator[Ranks]:
        first = len(labels[0])  # the first gallery row
        g, count = x[first:], len(x) - first
        columns = v[first:].tocsc()
        step = max(1, _BLOCK // count)
        same = PidIndex(labels[1]).same_pid(labels[0])
        found: list[Int64s] = []
        bounds = np.searchsorted(same.query, np.arange(first + 1))
        for start in range(0, first, step):
            stop = min(start + step, first)
            d = _block(x[start:stop], squares[start:stop], g, squares[first:])
            for query in range(start, stop):
                part = slice(bounds[query], bounds[query + 1])
                matches = same.gallery[part][same.match[part]]
                if not len(matches):
                    continue
                final = self.lambda_ * (d[query - start] / largest[query])
                final += (1 - self.lambda_) * _jaccard(v, columns, query, count)
                ignored = same.gallery[part][~same.match[part]]
                found.append(_ranks(final, matches, ignored))
        matched = np.unique(same.query[same.match])
        offsets = np.concatenate([[0], np.cumsum([len(ranks) for ranks in found])])
        if found:
            yield Ranks(matched, offsets.astype(np.int64), np.concatenate(found))


def _ranks(final: Float64s, matches: Int64s, ignored: Int64s) -> Int64s:
    """Returns the ranks of one query's matches; equal distances by gallery index."""
    is_match = np.zeros(len(final), np.bool_)
    is_match[matches] = True
    farthest = final[matches].max()
    final[ignored] = np.inf
    near = np.flatnonzero(final <= farthest)
    order = near[np.argsort(final[near], kind="stable")]
    return 1 + np.flatnonzero(is_match[order])


def _jaccard(v: Any, columns: Any, query: int, count: int) -> Float64s:
    """Returns J of one query and all G gallery images (equation 10)."""
    own = slice(v.indptr[query], v.indptr[query + 1])
    z, mine = v.indices[own], v.data[own]
    starts, sizes = columns.indptr[z], columns.indptr[z + 1] - columns.indptr[z]
    ends = np.cumsum(sizes)
    entries = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
    least = np.minimum(np.repeat(mine, sizes), columns.data[entries])
    m = np.bincount(columns.indices[entries], least, minlength=count)
    return 1 - m / (2 - m)


def _neighbours(
    x: Float32s, squares: Float32s, k: int, progress: Callable[[int, int], None] | None
) -> tuple[Int64s, Float64s]:
    """Returns the k nearest of each of N rows (itself first), and the largest squared distance."""
    near, largest = np.empty((len(x), k), np.int64), np.empty(len(x))
    step = max(1, _BLOCK // len(x))
    for start in range(0, len(x), step):
        stop = min(start + step, len(x))
        d = _block(x[start:stop], squares[start:stop], x, squares)
        largest[start:stop] = d.max(axis=1)
        d[np.arange(stop - start), np.arange(start, stop)] = -1  # itself, before its duplicates
        near[start:stop] = _nearest(d, k)
        if progress:
            progress(stop, len(x))
    return near, np.where(largest > 0, largest, 1.0)


def _nearest(d: Float32s, k: int) -> Int64s:
    """Returns the k smallest of each row, ascending, equal ones by column.

    The k-th smallest of the smallest of groups of columns is at least the k-th smallest of all; so
    few entries are not above it, and only those are sorted.
    """
    groups = d.shape[1] // _GROUP
    if groups < k:
        return np.argsort(d, axis=1, kind="stable")[:, :k]
    least = d[:, : groups * _GROUP].reshape(len(d), _GROUP, groups).min(axis=1)
    limit = np.partition(least, k - 1, axis=1)[:, k - 1]
    row, column = np.divmod(np.flatnonzero(d <= limit[:, None]), d.shape[1])
    order = np.lexsort((column, d[row, column], row))
    first = np.searchsorted(row, np.arange(len(d)))
    nearest: Int64s = column[order][first[:, None] + np.arange(k)]
    return nearest


def _block(p: Float32s, p_squares: Float32s, x: Float32s, x_squares: Float32s) -> Float32s:
    """Returns the squared distances of two sets of rows, float32."""
    d: Float32s = np.matmul(np.multiply(p, np.float32(-2)), x.T)
    d += x_squares
    d += p_squares[:, None]
    np.maximum(d, 0, out=d)
    return d


def _pair_distances(x: Float32s, row: Int64s, column: Int64s) -> Float64s:
    """Returns the squared distances of pairs of rows, from their differences."""
    out = np.empty(len(row))
    step = max(1, _PAIR_VALUES // x.shape[1])
    for start in range(0, len(row), step):
        part = slice(start, start + step)
        difference = x[row[part]] - x[column[part]]
        out[part] = np.einsum("pd,pd->p", difference, difference)
    return out


def _listed(near: Int64s) -> Any:
    """Returns an N x N sparse matrix with ones at each row's neighbours."""
    from scipy import sparse

    count, k = near.shape
    limits = np.arange(count + 1) * k
    return sparse.csr_array((np.ones(count * k), near.reshape(-1), limits), shape=(count, count))


def _reciprocal(near: Int64s) -> Any:
    """Returns R as a sparse matrix of ones (equation 2)."""
    forward = _listed(near)
    return forward.multiply(forward.T).tocsr()


def _expanded(full: Any, half: Any) -> Any:
    """Returns R* as a sparse matrix (equation 3), some rows at a time."""
    from scipy import sparse

    sizes, across = np.asarray(half.sum(axis=1)).reshape(-1), half.T.tocsr()
    parts = []
    for start in range(0, full.shape[0], _ROWS):
        own = full[start : start + _ROWS]
        shared = (own @ across).multiply(own).tocsr()  # |R(p, k1) and R(c, k1/2)|, c in R(p, k1)
        shared.data = (shared.data > 2 / 3 * sizes[shared.indices]).astype(np.float64)
        shared.eliminate_zeros()
        parts.append((own + shared @ half).tocsr())
    sets = sparse.vstack(parts, format="csr")
    sets.sort_indices()
    return sets
