"""NumPy's float32 matrix product."""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.counting.kernels.kernel import Float32s, Float64s, Loaded, Product, chunks
from reid_srdl.retrieval.memory.scratch import Scratch

_TALL = (2048, 768)


class NumpyKernel(Product):
    """NumPy's float32 matrix product, on one thread for each block.

    Its blocks have many queries and few gallery rows: fewer queries make BLAS pack the gallery
    rows anew too often, more rows push sums out of the cache.
    """

    name = "numpy"
    threaded = True

    def __init__(self) -> None:
        self._scratch = Scratch()

    def rows(self, dim: int) -> tuple[int, int]:
        return _TALL

    def load_queries(self, p: Float32s, squares: Float64s) -> Loaded:
        return Loaded((np.multiply(p, np.float32(-2), out=p),), np.sqrt(squares)[:, None])

    def load_gallery(self, p: Float32s, squares: Float64s) -> Loaded:
        return Loaded((p, squares.astype(np.float32)), np.sqrt(squares)[:, None])

    def block(self, queries: Loaded, gallery: Loaded) -> Float32s:
        (q,), (p, squares) = queries.parts, gallery.parts
        shape = len(q), len(p)
        v, part = self._scratch.array("v", shape), self._scratch.array("part", shape)
        for number, dims in enumerate(chunks(p.shape[1], self.chunk)):
            np.matmul(q[:, dims], p[:, dims].T, out=part if number else v)
            if number:
                v += part
        v += squares
        return v
