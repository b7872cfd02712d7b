"""NumPy's float32 matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_srdl.retrieval.counting.kernels.kernel import Float32s, Float64s, Product, Scratch

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

    def load_queries(self, p: Float32s) -> Any:
        return np.multiply(p, np.float32(-2), out=p)

    def load_gallery(self, p: Float32s, squares: Float64s) -> Any:
        return p, squares.astype(np.float32)

    def block(self, queries: Any, gallery: Any) -> Float32s:
        p, squares = gallery
        v, part = self._scratch.shaped(len(queries), len(p))
        for number, dims in enumerate(self._chunks(p.shape[1])):
            np.matmul(queries[:, dims], p[:, dims].T, out=part if number else v)
            if number:
                v += part
        v += squares
        return v
