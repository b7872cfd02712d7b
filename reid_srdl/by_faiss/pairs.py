"""FAISS's distances of single pairs, by which re-ranking decides.

With u = 2^-24 and gamma_n = n u / (1 - n u), a float32 sum of D squared differences is off by at
most gamma_(D+3) d, in any order (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
lemma 3.1): each term passes through one subtraction, counted twice, one multiplication and at most
D additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.rounding import gamma

Float32s = NDArray[np.float32]


def pair_distances(x: Float32s, row: NDArray[Any], column: NDArray[Any]) -> Float32s:
    """Returns the squared distances of P pairs of rows, float32, on the calling thread alone."""
    import faiss as module

    faiss: Any = module
    out = np.empty(len(row), np.float32)
    # SWIG's pointers keep no array alive.
    positions = [np.ascontiguousarray(part, np.int64) for part in (row, column)]
    rows, (p, q) = faiss.swig_ptr(x), map(faiss.swig_ptr, positions)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # of this thread: those beside it have work of their own
    try:
        faiss.pairwise_indexed_L2sqr(x.shape[1], len(row), rows, p, rows, q, faiss.swig_ptr(out))
    finally:
        faiss.omp_set_num_threads(before)
    return out


def pair_error(dim: int) -> float:
    """Returns the relative error bound of `pair_distances` in ``dim`` dimensions."""
    return gamma(dim + 3)
