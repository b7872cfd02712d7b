"""Estimates from integer products: less exact than float32's, and several times faster.

With the pieces that `split` makes of the rows, and [.] for columns side by side,

    v = fl( fl(-2 s_q fl(s_g I_q I_g)) + fl([-2a, 1] [b, |p(g)|^2]) ).

The integers' product is exact; converting and scaling it rounds four times. The float32 product has
k + 1 terms, whose magnitudes add up to 2 |a| |b| + |p(g)|^2 at most.
"""

from __future__ import annotations

import numpy as np

from reid_srdl.retrieval.arithmetic.parallel import each
from reid_srdl.retrieval.arithmetic.rounding import FLUSHED, UNIT, gamma
from reid_srdl.retrieval.counting.kernels.integer_product import integer_product
from reid_srdl.retrieval.counting.kernels.kernel import Float32s, Float64s, Host, Kernel, Loaded
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.split import Split
from reid_srdl.retrieval.memory.scratch import Scratch

_BLOCK = (1024, 768)
_TOGETHER = 256  # queries that one thread splits in a go


class IntegerKernel(Host):
    """Products of bytes by ONNX Runtime, and of leading coefficients by NumPy."""

    name = "integers"
    threaded = True
    bearable = 0.015

    def __init__(self, split: Split) -> None:
        self.split = split
        self._scratch = Scratch()

    def rows(self, dim: int) -> tuple[int, int]:
        return _BLOCK

    def load_queries(self, p: Float32s, squares: Float64s) -> Loaded:
        def load(start: int) -> Loaded:
            part = slice(start, start + _TOGETHER)
            pieces = self.split.pieces(p[part], squares[part])
            raised = pieces.integers.view(np.uint8) ^ np.uint8(128)
            ones = np.ones((len(raised), 1), np.float32)
            lead = np.hstack([pieces.lead * np.float32(-2), ones])
            scale = pieces.scale[:, None] * np.float32(-2)
            return Loaded((raised, lead, scale), pieces.sizes)

        loaded = list(each(load, range(0, len(p), _TOGETHER)))
        parts = zip(*(some.parts for some in loaded), strict=True)
        sizes = np.concatenate([some.sizes for some in loaded])
        return Loaded(tuple(np.concatenate(part) for part in parts), sizes)

    def load_gallery(self, p: Float32s, squares: Float64s) -> Loaded:
        pieces = self.split.pieces(p, squares)
        lead = np.hstack([pieces.lead, squares.astype(np.float32)[:, None]])
        columns = self._scratch.array("columns", p.T.shape, np.int8)
        columns[:] = pieces.integers.T
        return Loaded((columns, lead, pieces.scale), pieces.sizes)

    def block(self, queries: Loaded, gallery: Loaded) -> Float32s:
        (integers, lead, scale), (columns, coefficients, scales) = queries.parts, gallery.parts
        v = integer_product(integers, columns, scales)
        v *= scale
        v += np.matmul(lead, coefficients.T, out=self._scratch.array("lead", v.shape))
        return v

    def error(self, dim: int, sizes: Float64s, most: Float64s) -> Float64s:
        lead, integers = sizes[:, 1], sizes[:, 2] + sizes[:, 3]
        terms = 2 * lead * most[1] + most[0] ** 2
        error: Float64s = 2.0001 * self.split.error(sizes, most)
        error += gamma(self.split.leading + 8) * terms
        error += 8 * UNIT * 2 * integers * (most[2] + most[3])
        return error + FLUSHED * (dim + self.split.leading)

    def finer(self) -> Kernel | None:
        return NumpyKernel()
