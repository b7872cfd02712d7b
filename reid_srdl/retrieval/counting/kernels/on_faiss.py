"""FAISS's exact kernel of squared Euclidean distances."""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.arithmetic.rounding import FLUSHED, gamma
from reid_srdl.retrieval.counting.kernels.kernel import (
    Chunked,
    Float32s,
    Float64s,
    Loaded,
    norms_alone,
    wide,
)
from reid_srdl.retrieval.memory.scratch import Scratch


class FaissKernel(Chunked):
    """FAISS's exact kernel of squared Euclidean distances."""

    name = form = "faiss"
    threaded = False  # it runs threads of its own

    def __init__(self) -> None:
        import faiss

        self._faiss = faiss
        self._scratch = Scratch()

    def rows(self, dim: int) -> tuple[int, int]:
        return wide(dim)

    def load_queries(self, p: Float32s, squares: Float64s) -> Loaded:
        return Loaded((p,), norms_alone(squares))

    load_gallery = load_queries

    def block(self, queries: Loaded, gallery: Loaded) -> Float32s:
        (q,), (p,) = queries.parts, gallery.parts
        shape = len(q), len(p)
        v, part = self._scratch.array("v", shape), self._scratch.array("part", shape)
        for number, dims in enumerate(self._chunks(p.shape[1])):
            self._distances(q, p, dims, out=part if number else v)
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

    def error(self, dim: int, sizes: Float64s, most: Float64s) -> Float64s:
        error: Float64s = gamma(self._roundings(dim) + 4) * (sizes[:, 0] + most[0]) ** 2
        return error + FLUSHED * dim
