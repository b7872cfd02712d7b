"""FAISS's exact kernel of squared Euclidean distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_srdl.retrieval.counting.kernels.kernel import (
    FLUSHED,
    Chunked,
    Float32s,
    Float64s,
    Scratch,
    wide,
)
from reid_srdl.retrieval.counting.windows import gamma


class FaissKernel(Chunked):
    """FAISS's exact kernel of squared Euclidean distances."""

    name = "faiss"
    threaded = False  # it runs threads of its own

    def __init__(self) -> None:
        import faiss

        self._faiss = faiss
        self._scratch = Scratch()

    def rows(self, dim: int) -> tuple[int, int]:
        return wide(dim)

    def load_queries(self, p: Float32s) -> Any:
        return p

    def load_gallery(self, p: Float32s, squares: Float64s) -> Any:
        return p

    def block(self, queries: Any, gallery: Any) -> Float32s:
        v, part = self._scratch.shaped(len(queries), len(gallery))
        for number, dims in enumerate(self._chunks(gallery.shape[1])):
            self._distances(queries, gallery, dims, out=part if number else v)
            if number:
                v += part
        return v

    def _distances(self, q: Float32s, g: Float32s, dims: slice, out: Float32s) -> None:
        # Chunks are read in place: pointers to the first dimension, strides of whole rows.
        dim, pointer = q.shape[1], self._faiss.swig_ptr
        first, width = dims.start, dims.stop - dims.start
        starts = pointer(q.reshape(-1)[first:]), pointer(g.reshape(-1)[first:])
        self._faiss.pairwise_L2sqr(
            width, len(q), starts[0], len(g), starts[1], pointer(out), dim, dim, len(g)
        )

    def offset(self, squares: Float64s) -> Float64s:
        return np.zeros_like(squares)

    def error(self, dim: int, a: Float64s, b: float) -> Float64s:
        return gamma(self._roundings(dim) + 4) * (a + b) ** 2 + FLUSHED * dim
