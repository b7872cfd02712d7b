"""A kernel on torch's devices: products and counts stay there, only sums and open pairs come back.

Blocks are as large as the device's free memory allows, up to what the host can place at once. A
value's place among its query's edges is found by a binary search in all rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.retrieval.counting.edges import Edges, Float32s
from reid_srdl.retrieval.counting.kernels.kernel import Loaded, Product, chunks
from reid_srdl.retrieval.counting.tallies import Tally
from reid_srdl.retrieval.labels import Int64s

_PAIR_BYTES = 48  # of a block: two products, places, and what is picked out, at worst all
_TALLEST, _WIDEST = 8192, 16384
_FEW, _WIDE_VALUES = 512, 1 << 23  # queries, and feature values of the gallery, on a CPU

Float64s = NDArray[np.float64]


class TorchKernel(Product):
    """torch's float32 matrix product on a device, with reduced precision (TF32, bf16) off."""

    name = "torch"
    threaded = False

    def __init__(self, device: str) -> None:
        import torch

        self._torch = torch
        self._edges: dict[Edges, tuple[Any, Any, Any]] = {}
        try:
            self._device = torch.device(device)
            torch.empty(1, device=self._device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"device {device!r} cannot be used: {reason}", "choose cpu or cuda", usage=True
            ) from None

    def rows(self, dim: int) -> tuple[int, int]:
        if self._device.type != "cuda":
            return _FEW, min(_WIDEST, max(1, _WIDE_VALUES // dim))
        free = self._torch.cuda.mem_get_info(self._device)[0] // 2
        gallery = min(_WIDEST, max(1, free // (_TALLEST * _PAIR_BYTES + 8 * dim)))
        return _TALLEST, gallery

    def load_queries(self, p: Float32s, squares: Float64s) -> Loaded:
        self._edges.clear()
        p *= np.float32(-2)
        return Loaded((self._there(p),), np.sqrt(squares)[:, None])

    def load_gallery(self, p: Float32s, squares: Float64s) -> Loaded:
        parts = self._there(p), self._there(squares.astype(np.float32))
        return Loaded(parts, np.sqrt(squares)[:, None])

    def _there(self, x: NDArray[Any]) -> Any:
        return self._torch.from_numpy(x).to(self._device)

    def block(self, queries: Loaded, gallery: Loaded) -> Any:
        (q,), (p, squares) = queries.parts, gallery.parts
        with _full_precision(self._torch):
            first, *others = chunks(p.shape[1], self.chunk)
            v = q[:, first] @ p[:, first].T
            for dims in others:  # not addmm: it may carry one long sum through all chunks
                v += q[:, dims] @ p[:, dims].T
            v += squares
        return v

    def exclude(self, v: Any, rows: Int64s, columns: Int64s) -> None:
        v[self._there(rows), self._there(columns)] = np.inf

    def tallies(self, edges: Edges, first: int, v: Any) -> Iterator[tuple[int, Tally]]:
        torch, (rows, columns) = self._torch, v.shape
        lists, far, start = (part[first : first + rows] for part in self._edges_there(edges))
        v = v.contiguous()
        near = torch.nonzero((v < far[:, None]).reshape(-1)).reshape(-1)
        if not len(near):
            return
        places = torch.searchsorted(lists, v, right=True, out_int32=True).reshape(-1)[near]
        query = torch.div(near, columns, rounding_mode="floor")
        places = places + start[query]
        low, high = (2 * edges.start[[first, first + rows]]).tolist()
        counts = torch.bincount(places - low, minlength=high - low)
        inside = torch.nonzero(places & 1).reshape(-1)
        query, near = query[inside], near[inside]
        window = torch.div(places[inside], 2, rounding_mode="floor")
        found = (counts, query, near - query * columns, window, v.reshape(-1)[near])
        yield first, Tally(*(part.cpu().numpy() for part in found))

    def _edges_there(self, edges: Edges) -> tuple[Any, Any, Any]:
        """Returns Q x E edges padded with infinity, Q last edges and Q first places."""
        if edges not in self._edges:
            sizes = 2 * np.diff(edges.start) - 2
            lists = np.full((len(sizes), max(1, int(sizes.max()))), np.inf, np.float32)
            lists[np.arange(lists.shape[1]) < sizes[:, None]] = edges.values[
                ~np.isnan(edges.values)
            ]
            there = self._there
            self._edges[edges] = there(lists), there(edges.far), there(2 * edges.start[:-1])
        return self._edges[edges]


@contextmanager
def _full_precision(torch: Any) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
