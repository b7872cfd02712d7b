"""What some gallery rows add to the counts: block by block, by whatever kernel serves."""

from __future__ import annotations

import threading

import numpy as np

from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.counting.counter import Counter
from reid_srdl.retrieval.counting.frame import placed_rows, squared_norms
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.levels import grouped
from reid_srdl.retrieval.counting.reaches import Reaches
from reid_srdl.retrieval.counting.twins import Twins
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.scratch import Scratch


class ShardCount:
    """Slots over some gallery rows; those of disjoint shards add up to the whole gallery's.

    Args:
        kernel: where estimates come from.
        problem: all queries, the whole gallery, their matches over it, and the frame that estimates
            are taken in; shards may use different ones.
    """

    def __init__(self, kernel: Kernel, problem: Problem) -> None:
        self._problem = problem
        self._queries, self._gallery = problem.queries, problem.gallery
        self._twins = Twins(problem.queries, problem.gallery)
        self._state = self._with(kernel, self._load(kernel))
        self._lock, self._own, self._scratch = threading.Lock(), threading.local(), Scratch()
        self._counters: list[Counter] = []
        self._pairs = self._before = 0  # of this kernel, and what was open before it

    def _load(self, kernel: Kernel) -> Loaded:
        placed = placed_rows(self._problem.frame, self._queries)
        return kernel.load_queries(placed, squared_norms(placed))

    def _with(self, kernel: Kernel, queries: Loaded) -> tuple[Kernel, Loaded, Reaches]:
        return kernel, queries, Reaches(kernel, queries, self._problem)

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
        (kernel, queries, reaches), counter = self._state, self._counter()
        loaded = self._loaded(kernel, start, stop)
        order, groups = grouped(reaches.levels(loaded.sizes))
        loaded = kernel.arranged(loaded, order)
        edges_of = [
            (columns, reaches.edges(level, loaded.sizes[columns].max(axis=0)))
            for level, columns in groups
        ]
        same_query, same_column = self._same(start, stop, order)
        for first, last in parts(len(self._queries), query_rows):
            v = kernel.block(queries.rows(first, last), loaded)
            own = slice(*np.searchsorted(same_query, [first, last]).tolist())
            kernel.exclude(v, same_query[own] - first, same_column[own])
            for columns, edges in edges_of:
                for top, found in kernel.tallies(edges, first, v[:, columns]):
                    column = columns.start + found.column
                    sizes = loaded.sizes[column]
                    distances = reaches.limits(top + found.query, found.value, sizes)
                    counter.add(edges, top, found, start + order[column], distances)
        self._refine(kernel, (stop - start) * len(self._queries))

    def _loaded(self, kernel: Kernel, start: int, stop: int) -> Loaded:
        room = self._scratch.array("block", (stop - start, self._gallery.dim))
        block = self._problem.frame.place(self._gallery.block(start, stop), out=room)
        return kernel.load_gallery(block, squared_norms(block))

    def _same(self, start: int, stop: int, order: Int64s) -> tuple[Int64s, Int64s]:
        """Returns queries and columns of the same-identity pairs in some rows put in order."""
        same = self._problem.targets.same
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
                queries = queries if finer.form == kernel.form else self._load(finer)
                self._state = self._with(finer, queries)
                self._pairs, self._before = 0, self.left_open

    def finish(self) -> Int64s:
        """Decides what is still open and returns the M slots."""
        list(each(Counter.settle, self._counters))
        slots = np.zeros(len(self._problem.targets.query), np.int64)
        for counter in self._counters:
            slots += counter.slots
        return slots

    def _counter(self) -> Counter:
        """Returns this thread's counter."""
        if not hasattr(self._own, "counter"):
            self._own.counter = Counter(
                self._queries,
                self._gallery,
                self._problem.targets,
                self._problem.frame.scale,
                self._twins,
            )
            with self._lock:
                self._counters.append(self._own.counter)
        counter: Counter = self._own.counter
        return counter
