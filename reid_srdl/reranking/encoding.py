"""The k-reciprocal encoding V of all images (equations 2, 3, 7 and 11; see `rerank`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.by_faiss.pairs import pair_distances
from reid_srdl.reranking.neighbours import Int32s, Neighbours
from reid_srdl.retrieval.arithmetic.parallel import each, parts, threads

_ROWS = 2048  # rows of sparse products at once

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


def encoded(x: Float32s, found: Neighbours, k1: int, k2: int, power: int = 1) -> Any:
    """Returns V, N x N, sparse (CSR, float64).

    Args:
        x: N x D.
        found: the k1 + 1 nearest of each, itself included, and the largest distances.
        k1, k2: see `rerank`.
        power: of d in equation 7.
    """
    near, half = found.near, int(np.around(k1 / 2)) + 1
    full, narrow = _reciprocal(near), _reciprocal(near[:, :half])
    across, sizes = narrow.T.tocsr(), np.diff(narrow.indptr)

    def weights(part: slice) -> Any:
        sets = _expanded(full[part], narrow, across, sizes)
        return _weighted(x, sets, part.start, found.largest, power)

    v = _stacked(weights, len(x))
    if k2 == 1:
        return v
    return _stacked(lambda part: _listed(near[part, :k2], len(x)) / k2 @ v, len(x))


def _stacked(rows: Callable[[slice], Any], count: int) -> Any:
    """Returns a sparse matrix of ``count`` rows, a run of them at a time on every core."""
    from scipy import sparse

    slices = [slice(*part) for part in parts(count, _ROWS, threads())]
    return sparse.vstack(list(each(rows, slices)), format="csr")


def _listed(near: Int32s, count: int) -> Any:
    """Returns a sparse matrix of ``count`` columns with ones at each row's neighbours."""
    from scipy import sparse

    limits = np.arange(len(near) + 1) * near.shape[1]
    if limits[-1] < 1 << 31:
        limits = limits.astype(np.int32)  # the wider type of the two is everybody's from here on
    shape = len(near), count
    return sparse.csr_array((np.ones(near.size), near.reshape(-1), limits), shape=shape)


def _reciprocal(near: Int32s) -> Any:
    """Returns R as a sparse matrix of ones (equation 2)."""
    forward = _listed(near, len(near))
    return forward.multiply(forward.T).tocsr()


def _expanded(own: Any, narrow: Any, across: Any, sizes: Any) -> Any:
    """Returns some rows of R* (equation 3).

    Args:
        own: their R(p, k1).
        narrow, across: R(c, k1/2) of all, and its transpose.
        sizes: |R(c, k1/2)|.
    """
    shared = (own @ across).multiply(own).tocsr()  # |R(p, k1) and R(c, k1/2)|, c in R(p, k1)
    shared.data = (shared.data > 2 / 3 * sizes[shared.indices]).astype(np.float64)
    shared.eliminate_zeros()
    sets = (own + shared @ narrow).tocsr()
    sets.sort_indices()
    return sets


def _weighted(x: Float32s, sets: Any, start: int, largest: Float64s, power: int) -> Any:
    """Returns some rows of V before their averaging (equation 7)."""
    from scipy import sparse

    sizes = np.diff(sets.indptr)
    own = np.repeat(np.arange(len(sizes)), sizes)
    d = pair_distances(x, own + start, sets.indices) / largest[own + start]
    if power != 1:
        d **= power
    weights = np.exp(-d)
    sums = np.bincount(own, weights, minlength=len(sizes))
    return sparse.csr_array((weights / sums[own], sets.indices, sets.indptr), shape=sets.shape)
