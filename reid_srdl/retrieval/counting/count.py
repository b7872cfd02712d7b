"""The counting engine: gallery blocks stream by, and a few numbers per match are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reid_srdl.retrieval.arithmetic.parallel import each, parts, threads
from reid_srdl.retrieval.counting.counter import Counter
from reid_srdl.retrieval.counting.edges import Edges
from reid_srdl.retrieval.counting.frame import Frame, frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.counting.kernels.choice import Problem, choose
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.counting.twins import Twins
from reid_srdl.retrieval.counting.windows import Float64s, Reach, window
from reid_srdl.retrieval.memory.scratch import Scratch
from reid_srdl.retrieval.protocol import Int64s
from reid_srdl.retrieval.rows import Rows

Progress = Callable[[int], None]

_LIKE = 2.0  # how much longer than usual rows of one group may be
_ROOM = 1.0625  # edges are made for rows somewhat longer than those at hand, to serve others too
_LOOSE = 1.25  # but not for rows much longer: edges farther apart leave more pairs open


@dataclass
class CountEngine:
    """Counts over blocks of estimated distances; see `kernels` for where they come from.

    Where the kernel allows it, each thread counts gallery blocks of its own from end to end.

    Attributes:
        device: ``cpu`` or a torch device.
        kernel: the kernel to use; None: the fastest for the problem at hand.
        query_rows, gallery_rows: rows per block at most; None: the kernel's. Counts do not depend
            on them.
        chosen_for: for how many gallery rows a kernel is chosen, once for all calls; None: each
            call chooses for its own.
        left_open: pairs that the kernel's estimates left open so far.
        undecided: those of them that the definition has decided.
    """

    device: str = "cpu"
    kernel: Kernel | None = None
    query_rows: int | None = None
    gallery_rows: int | None = None
    chosen_for: int | None = None
    left_open: int = field(default=0, init=False)
    undecided: int = field(default=0, init=False)

    def slots(
        self, queries: Rows, gallery: Rows, targets: Targets, progress: Progress | None = None
    ) -> Int64s:
        """Returns the M matches' slots over the whole gallery (see `counter`)."""
        frame = frame_for(queries, gallery)
        kernel = self._kernel(Problem(frame, queries, gallery, targets))
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
        self.left_open += counting.left_open
        self.undecided += counting.undecided
        return result

    def _kernel(self, problem: Problem) -> Kernel:
        if self.kernel is not None:
            return self.kernel
        kernel = choose(problem, self.chosen_for or len(problem.gallery), self.device)
        if self.chosen_for is not None:
            self.kernel = kernel
        return kernel


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
        self._frame, self._targets = frame, targets
        self._queries, self._gallery = queries, gallery
        self._twins = Twins(queries, gallery)
        self._state = kernel, self._load(kernel)
        self._edges: list[tuple[str, Float64s, Edges]] = []
        self._lock, self._own, self._scratch = threading.Lock(), threading.local(), Scratch()
        self._counters: list[Counter] = []
        self._pairs = self._before = 0  # of this kernel, and what was open before it

    def _load(self, kernel: Kernel) -> Loaded:
        placed = placed_rows(self._frame, self._queries)
        return kernel.load_queries(placed, squared_norms(placed))

    @property
    def undecided(self) -> int:
        """Pairs that the definition has decided."""
        return sum(counter.undecided for counter in self._counters)

    @property
    def left_open(self) -> int:
        """Pairs that the kernel's estimates left open."""
        return sum(counter.open for counter in self._counters)

    def add(self, start: int, stop: int, query_rows: int) -> None:
        """Counts gallery rows ``start`` to ``stop``, for ``query_rows`` queries at a time.

        Several threads may do so at once.
        """
        (kernel, queries), counter = self._state, self._counter()
        room = self._scratch.array("block", (stop - start, self._gallery.dim))
        block = self._frame.place(self._gallery.block(start, stop), out=room)
        squares = squared_norms(block)
        order, runs = by_norm(np.sqrt(squares))
        if len(runs) > 1:
            block, squares = block[order], squares[order]
        loaded = kernel.load_gallery(block, squares)
        grouped = []
        for columns in (slice(*run) for run in runs):
            most = loaded.sizes[columns].max(axis=0)
            grouped.append((columns, self._edges_within(kernel, queries, most)))
        same_query, same_column = self._same(start, stop, order)
        for first, last in parts(len(self._queries), query_rows):
            v = kernel.block(queries.rows(first, last), loaded)
            own = slice(*np.searchsorted(same_query, [first, last]).tolist())
            kernel.exclude(v, same_query[own] - first, same_column[own])
            for columns, edges in grouped:
                for top, found in kernel.tallies(edges, first, v[:, columns]):
                    counter.add(edges, top, found, start + order[columns])
        self._refine(kernel, len(block) * len(self._queries))

    def _same(self, start: int, stop: int, order: Int64s) -> tuple[Int64s, Int64s]:
        """Returns queries and columns of the same-identity pairs in some rows put in order."""
        same = self._targets.same
        here = np.flatnonzero((same.gallery >= start) & (same.gallery < stop))
        column = np.empty_like(order)
        column[order] = np.arange(len(order))
        return same.query[here], column[same.gallery[here] - start]

    def _refine(self, kernel: Kernel, pairs: int) -> None:
        """Goes on with a finer kernel if this one leaves so many pairs open that it pays."""
        with self._lock:
            if kernel is not self._state[0]:
                return
            self._pairs += pairs
            if self.left_open - self._before > kernel.bearable * self._pairs:
                finer, queries = kernel.finer() or kernel, self._state[1]
                self._state = finer, queries if finer.form == kernel.form else self._load(finer)
                self._pairs, self._before = 0, self.left_open

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
                self._queries, self._gallery, self._targets, self._frame.scale, self._twins
            )
            with self._lock:
                self._counters.append(self._own.counter)
        counter: Counter = self._own.counter
        return counter

    def _edges_within(self, kernel: Kernel, queries: Loaded, most: Float64s) -> Edges:
        """Returns the edges for gallery rows of sizes up to these."""
        with self._lock:
            for name, reach, edges in self._edges:
                if name == kernel.name and (most <= reach).all() and (reach <= most * _LOOSE).all():
                    return edges
            reach = most * _ROOM
            targets = self._targets
            windows = window(targets.distances, self._reach(kernel, queries, reach), targets.slack)
            self._edges.append((kernel.name, reach, Edges(targets, *windows)))
            return self._edges[-1][2]

    def _reach(self, kernel: Kernel, queries: Loaded, most: Float64s) -> Reach:
        dim, query, norms = self._gallery.dim, self._targets.query, queries.sizes[:, 0]
        offset, error = kernel.offset(norms**2), kernel.error(dim, queries.sizes, most)
        return Reach(
            dim, self._frame.scale, norms[query], float(most[0]), offset[query], error[query]
        )


def by_norm(norms: Float64s) -> tuple[Int64s, list[tuple[int, int]]]:
    """Puts rows into groups of like norms, because one long row would widen all rows' windows.

    Returns:
        (order, runs): an order of the N rows, and (start, stop) of the groups in it; as they stand,
        in one group, where none is much longer than the median.
    """
    order, largest = np.arange(len(norms)), float(norms.max())
    usual = float(np.median(norms)) * _LIKE
    if largest <= usual:
        return order, [(0, len(norms))]
    order = np.argsort(norms, kind="stable")
    limits, ordered = [usual], norms[order]
    while limits[-1] < largest:
        limits.append(limits[-1] * _LIKE if limits[-1] > 0 else largest)
    stops = np.unique(np.searchsorted(ordered, limits, side="right"))
    starts = np.concatenate([[0], stops[:-1]])
    return order, [
        (start, stop)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        if stop > start
    ]
