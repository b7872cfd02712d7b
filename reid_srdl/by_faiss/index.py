"""FAISS's exact search: the second way to the same ranks, and the way to rank lists.

The index (IndexFlatL2) holds the gallery placed in the frame with one more coordinate, 0 for every
image. A query gets z there, so FAISS returns ||p(q) - p(g)||^2 + z^2, and with z^2 = R - r one
radius R serves queries that each need their own radius r.

Bound. FAISS may compute a squared distance from norms and a product or from differences, in any
order of summation; both are off by at most gamma_(D+6) (a + b)^2, a and b being the two norms (the
argument is that of `kernel`, without chunks: the search sums all dimensions at once).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic.rounding import FLUSHED, gamma
from reid_srdl.retrieval.counting.frame import Frame, squared_norms
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

GPU_LIST = 2048  # the longest list that FAISS's GPU search returns

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


class FlatIndex:
    """Gallery rows in FAISS.

    Args:
        frame: the frame of both sides.
        gallery: N gallery rows.
        start, stop: the run of them to hold; None: all. Answers count positions in the whole.
        gpu: let a GPU answer, where FAISS sees one.
    """

    def __init__(
        self,
        frame: Frame,
        gallery: Rows,
        start: int = 0,
        stop: int | None = None,
        *,
        gpu: bool = False,
    ) -> None:
        import faiss

        self._frame, self._first = frame, start
        stop = len(gallery) if stop is None else stop
        self._index = faiss.IndexFlatL2(gallery.dim + 1)
        largest = 0.0
        for first, last in gallery.steps():
            if start < last and first < stop:
                placed = frame.place(gallery.block(max(first, start), min(last, stop)))
                largest = max(largest, float(squared_norms(placed).max()))
                self._index.add(_widened(placed, np.zeros(len(placed), np.float32)))
        self.largest_norm = float(np.sqrt(largest))
        self._on_gpu = _on_gpu(faiss, self._index) if gpu else None

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def on_gpu(self) -> bool:
        """Whether lists come from a GPU."""
        return self._on_gpu is not None

    def error(self, norms: Float64s) -> Float64s:
        """Returns the bound of the answers' errors for queries with these (extended) norms."""
        dim = self._index.d
        return gamma(dim + 6) * (norms + self.largest_norm) ** 2 + FLUSHED * dim

    def within(
        self, placed: Float32s, z: Float32s, radius: float
    ) -> tuple[Int64s, Float32s, Int64s]:
        """Returns everything nearer than one radius to Q queries extended by ``z``.

        Returns:
            (limits, distances, positions): query i's answers stand at limits[i] to limits[i + 1],
            in no particular order.
        """
        limits, distances, positions = self._index.range_search(_widened(placed, z), radius)
        return limits.astype(np.int64), distances, positions + self._first

    def nearest(self, placed: Float32s, z: Float32s, k: int) -> tuple[Float32s, Int64s]:
        """Returns the k nearest to each of Q queries: (distances, positions), Q x k, ascending."""
        index = self._on_gpu if self._on_gpu is not None and k <= GPU_LIST else self._index
        distances, positions = index.search(_widened(placed, z), k)
        return distances, positions + self._first


def _on_gpu(faiss: Any, index: Any) -> Any:
    """Returns a copy on the first GPU that FAISS sees, in full float32, or None."""
    if not getattr(faiss, "get_num_gpus", int)():
        return None
    options = faiss.GpuClonerOptions()
    options.useFloat16 = False
    resources = faiss.StandardGpuResources()
    clone = faiss.index_cpu_to_gpu(resources, 0, index, options)
    clone.resources = resources  # must live as long as the index
    return clone


def _widened(placed: Float32s, last: NDArray[Any]) -> Float32s:
    wide = np.empty((placed.shape[0], placed.shape[1] + 1), np.float32)
    wide[:, :-1], wide[:, -1] = placed, last
    return wide
