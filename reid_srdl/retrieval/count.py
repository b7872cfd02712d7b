"""The counting engine: gallery blocks stream by, and a few numbers per match are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reid_srdl.retrieval.blocks import Kernel, choose
from reid_srdl.retrieval.counter import Counter
from reid_srdl.retrieval.frame import Frame, frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.targets import Targets
from reid_srdl.retrieval.windows import Reach, window

Progress = Callable[[int], None]

_GALLERY_VALUES = 1 << 23  # feature values in a gallery block: 32 MiB
_GALLERY_ROWS = 16384


@dataclass
class CountEngine:
    """Counts over blocks of exact float32 distances; see `blocks` for where they come from.

    Attributes:
        device: ``cpu`` or a torch device.
        kernel: the kernel to use; None: the fastest for the problem at hand.
        query_rows, gallery_rows: rows per block; None: by memory. Counts do not depend on them.
        undecided: pairs that the definition has decided so far.
    """

    device: str = "cpu"
    kernel: Kernel | None = None
    query_rows: int = 512
    gallery_rows: int | None = None
    undecided: int = field(default=0, init=False)

    def slots(
        self, queries: Rows, gallery: Rows, targets: Targets, progress: Progress | None = None
    ) -> Int64s:
        """Returns the M matches' slots over the whole gallery (see `counter`)."""
        frame = frame_for(queries, gallery)
        kernel = self.kernel or choose(len(queries), len(gallery), queries.dim, self.device)
        counting = ShardCount(kernel, frame, queries, gallery, targets)
        by_memory = min(_GALLERY_ROWS, max(1, _GALLERY_VALUES // gallery.dim))
        rows = self.gallery_rows or by_memory
        for start in range(0, len(gallery), rows):
            stop = min(start + rows, len(gallery))
            counting.add(start, stop, self.query_rows)
            if progress:
                progress((stop - start) * len(queries))
        result = counting.finish()
        self.undecided += counting.undecided
        return result


class ShardCount:
    """Slots over some gallery rows; those of disjoint shards add up to the whole gallery's.

    Args:
        kernel: where estimates come from.
        frame: the frame they are taken in; shards may use different ones.
        queries, gallery: all queries and the whole gallery.
        targets: the matches of these queries, over the whole gallery.
    """

    def __init__(
        self, kernel: Kernel, frame: Frame, queries: Rows, gallery: Rows, targets: Targets
    ) -> None:
        self._kernel, self._frame, self._gallery, self._targets = kernel, frame, gallery, targets
        self._counter = Counter(queries, gallery, targets)
        placed = placed_rows(frame, queries)
        self._squares = squared_norms(placed)
        self._loaded = kernel.load_queries(placed)

    @property
    def undecided(self) -> int:
        """Pairs that the definition has decided."""
        return self._counter.undecided

    def add(self, start: int, stop: int, query_rows: int) -> None:
        """Counts gallery rows ``start`` to ``stop``, for ``query_rows`` queries at a time."""
        block = self._frame.place(self._gallery.block(start, stop))
        squares = squared_norms(block)
        reach = self._reach(float(np.sqrt(squares.max())))
        self._counter.expect(*window(self._targets.distances, reach))
        loaded = self._kernel.load_gallery(block, squares)
        same = self._targets.same
        here = (same.gallery >= start) & (same.gallery < stop)
        same_query, same_column = same.query[here], same.gallery[here] - start
        for first in range(0, len(self._squares), query_rows):
            v = self._kernel.block(self._loaded[first : first + query_rows], loaded)
            bounds = np.searchsorted(same_query, [first, first + len(v)])
            part = slice(*bounds.tolist())
            v[same_query[part] - first, same_column[part]] = np.inf
            for row in range(len(v)):
                self._counter.row(first + row, v[row], start)

    def finish(self) -> Int64s:
        """Decides what is still open and returns the M slots."""
        self._counter.settle()
        return self._counter.slots

    def _reach(self, gallery_norm: float) -> Reach:
        dim, query = self._gallery.dim, self._targets.query
        norms = np.sqrt(self._squares)
        offset = self._kernel.offset(self._squares)
        error = self._kernel.error(dim, norms, gallery_norm)
        return Reach(
            dim, self._frame.scale, norms[query], gallery_norm, offset[query], error[query]
        )
