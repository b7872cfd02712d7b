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

No N x N matrix exists: the nearest and the largest distance of each image come from bounds and a
few exact distances (see `neighbours`), the sets and V are sparse, and final distances are computed
where a rank depends on them (see `jaccard`).

NOTE: distances are float32 (final ones float64), so, unlike ranks by distance, re-ranked ones may
differ in near-ties from machine to machine. Junk takes no part; images of the query's own identity
and camera do, as anything unlabelled would, until ranks are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.retrieval.counting.frame import frame_for, placed_rows
from reid_srdl.retrieval.protocol import Int64s, Labels
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.reranking.jaccard import FinalDistances, reranked
from reid_srdl.retrieval.reranking.neighbours import Neighbours, find_neighbours, pair_distances
from reid_srdl.retrieval.rows import Rows

_ROWS = 4096  # rows of sparse products at once

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
        found = find_neighbours(x, self.k1 + 1, progress)
        final = FinalDistances(x, found, self._encoded(x, found), len(queries), self.lambda_)
        yield from reranked(final, query_labels, gallery_labels)

    def told(self) -> dict[str, str]:
        """Names the method and its parameters."""
        return {
            "rerank": f"k-reciprocal (Zhong et al. 2017): k1 {self.k1}, k2 {self.k2}, "
            f"lambda {self.lambda_:g}; squared Euclidean distances over each image's largest; "
            "junk takes no part"
        }

    def _encoded(self, x: Float32s, found: Neighbours) -> Any:
        """Returns V, N x N, sparse."""
        from scipy import sparse

        near, half = found.near, int(np.around(self.k1 / 2)) + 1
        sets = _expanded(_reciprocal(near), _reciprocal(near[:, :half]))
        row = np.repeat(np.arange(len(x)), np.diff(sets.indptr))
        d = pair_distances(x, row, sets.indices).astype(np.float64) / found.largest[row]
        weights = np.exp(-d)
        sums = np.bincount(row, weights, minlength=len(x))
        v = sparse.csr_array((weights / sums[row], sets.indices, sets.indptr), shape=sets.shape)
        return v if self.k2 == 1 else _listed(near[:, : self.k2]) / self.k2 @ v


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
