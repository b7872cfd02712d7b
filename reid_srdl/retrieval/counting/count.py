"""The counting engine: gallery blocks stream by, and a few numbers per match are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reid_srdl.retrieval.counting.blocks import Kernel, choose
from reid_srdl.retrieval.counting.counter import Counter
from reid_srdl.retrieval.counting.edges import Edges, rounded_up
from reid_srdl.retrieval.counting.frame import Frame, frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.counting.parallel import each, parts, threads
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.counting.windows import Reach, window
from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.retrieval.rows import Rows

Progress = Callable[[int], None]


@dataclass
class CountEngine:
    """Counts over blocks of exact float32 distances; see `blocks` for where they come from.

    Where the kernel allows it, each thread counts gallery blocks of its own from end to end.

    Attributes:
        device: ``cpu`` or a torch device.
        kernel: the kernel to use; None: the fastest for the problem at hand.
        query_rows, gallery_rows: rows per block at most; None: the kernel's. Counts do not depend
            on them.
        undecided: pairs that the definition has decided so far.
    """

    device: str = "cpu"
    kernel: Kernel | None = None
    query_rows: int | None = None
    gallery_rows: int | None = None
    undecided: int = field(default=0, init=False)

    def slots(
        self, queries: Rows, gallery: Rows, targets: Targets, progress: Progress | None = None
    ) -> Int64s:
        """Returns the M matches' slots over the whole gallery (see `counter`)."""
        frame = frame_for(queries, gallery)
        kernel = self.kernel or choose(len(queries), len(gallery), queries.dim, self.device)
        counting = ShardCount(kernel, frame, queries, gallery, targets)
        query_rows, gallery_rows = kernel.rows(gallery.dim)
        query_rows, gallery_rows = self.query_rows or query_rows, self.gallery_rows or gallery_rows

        def add(part: tuple[int, int]) -> int:
            counting.add(*part, query_rows)
            return part[1] - part[0]

        blocks = parts(len(gallery), gallery_rows, threads() if kernel.threaded else 1)
        for rows in (each if kernel.threaded else map)(add, blocks):
            if progress:
                progress(rows * len(queries))
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
        self._kernel, self._frame, self._targets = kernel, frame, targets
        self._queries, self._gallery = queries, gallery
        placed = placed_rows(frame, queries)
        self._squares = squared_norms(placed)
        self._loaded = kernel.load_queries(placed)
        self._edges: dict[float, Edges] = {}
        self._lock, self._own = threading.Lock(), threading.local()
        self._counters: list[Counter] = []

    @property
    def undecided(self) -> int:
        """Pairs that the definition has decided."""
        return sum(counter.undecided for counter in self._counters)

    def add(self, start: int, stop: int, query_rows: int) -> None:
        """Counts gallery rows ``start`` to ``stop``, for ``query_rows`` queries at a time.

        Several threads may do so at once.
        """
        block = self._frame.place(self._gallery.block(start, stop))
        squares = squared_norms(block)
        edges = self._edges_within(float(np.sqrt(squares.max())))
        loaded = self._kernel.load_gallery(block, squares)
        counter, same = self._counter(), self._targets.same
        positions = np.arange(start, stop)
        here = np.flatnonzero((same.gallery >= start) & (same.gallery < stop))
        same_query, same_column = same.query[here], same.gallery[here] - start
        for first, last in parts(len(self._squares), query_rows):
            v = self._kernel.block(self._loaded[first:last], loaded)
            own = slice(*np.searchsorted(same_query, [first, last]).tolist())
            v[same_query[own] - first, same_column[own]] = np.inf
            counter.block(edges, first, v, positions)

    def finish(self) -> Int64s:
        """Decides what is still open and returns the M slots."""
        list(each(Counter.settle, self._counters))
        slots = np.zeros(len(self._targets.query), np.int64)
        for counter in self._counters:
            slots += counter.slots
        return slots

    def _counter(self) -> Counter:
        """Returns this thread's counter."""
        if not hasattr(self._own, "counter"):
            self._own.counter = Counter(
                self._queries, self._gallery, self._targets, self._frame.scale
            )
            with self._lock:
                self._counters.append(self._own.counter)
        counter: Counter = self._own.counter
        return counter

    def _edges_within(self, gallery_norm: float) -> Edges:
        """Returns the edges for gallery rows of norms up to this."""
        norm = rounded_up(gallery_norm)
        with self._lock:
            if norm not in self._edges:
                windows = window(
                    self._targets.distances, self._reach(norm), self._targets.slack
                )
                self._edges[norm] = Edges(self._targets, *windows)
            return self._edges[norm]

    def _reach(self, gallery_norm: float) -> Reach:
        dim, query = self._gallery.dim, self._targets.query
        norms = np.sqrt(self._squares)
        offset = self._kernel.offset(self._squares)
        error = self._kernel.error(dim, norms, gallery_norm)
        return Reach(
            dim, self._frame.scale, norms[query], gallery_norm, offset[query], error[query]
        )
