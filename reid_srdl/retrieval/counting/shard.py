"""What some images add to the counts: block by block, by whatever kernel serves."""

from __future__ import annotations

import threading

import numpy as np

from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.counting.counter import Counter
from reid_srdl.retrieval.counting.frame import placed_rows, squared_norms
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel, Loaded
from reid_srdl.retrieval.counting.reaches import Reaches
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.memory.scratch import Scratch


class ShardCount:
    """Slots over some of a problem's images; those of disjoint shards add up to all images'.

    Args:
        kernel: where estimates come from.
        problem: all queries, all images, the matches, and the frame that estimates are taken in;
            shards may use different ones.
    """

    def __init__(self, kernel: Kernel, problem: Problem) -> None:
        self._problem = problem
        self._lock, self._own, self._scratch = threading.Lock(), threading.local(), Scratch()
        self._counters: list[Counter] = []
        self._use(kernel)

    def _use(self, kernel: Kernel) -> None:
        """Counts by this kernel from now on."""
        placed = placed_rows(self._problem.frame, self._problem.queries)
        queries = kernel.load_queries(placed, squared_norms(placed))
        self._used = kernel, queries, Reaches(kernel, queries, self._problem)
        self._pairs, self._before = 0, self.left_open  # of this kernel, and what was open before it

    @property
    def undecided(self) -> int:
        """Pairs that the definition has decided."""
        return sum(counter.undecided for counter in self._counters)

    @property
    def left_open(self) -> int:
        """Pairs that the kernel's estimates left open."""
        return sum(counter.open for counter in self._counters)

    def add(self, start: int, stop: int, query_rows: int) -> None:
        """Counts images ``start`` to ``stop``, for ``query_rows`` queries at a time.

        Several threads may do so at once.
        """
        (kernel, queries, reaches), counter = self._used, self._counter()
        block = self._load(kernel, start, stop)
        edges = reaches.edges(block.sizes.max(axis=0))
        same = self._problem.targets.same
        here = np.flatnonzero((same.image >= start) & (same.image < stop))
        same_query, same_column = same.query[here], same.image[here] - start
        for first, last in parts(len(self._problem.queries), query_rows):
            v = kernel.block(queries.rows(first, last), block)
            own = slice(*np.searchsorted(same_query, [first, last]).tolist())
            kernel.exclude(v, same_query[own] - first, same_column[own])
            for top, found in kernel.tallies(edges, first, v):
                sizes = block.sizes[found.column]
                limits = reaches.limits(top + found.query, found.value, sizes)
                counter.add(edges, top, found, start + found.column, limits)
        self._refine(kernel, (stop - start) * len(self._problem.queries))

    def _refine(self, kernel: Kernel, pairs: int) -> None:
        """Goes on with a finer kernel if this one leaves so many pairs open that it pays."""
        with self._lock:
            if kernel is not self._used[0]:
                return
            self._pairs += pairs
            many = self.left_open - self._before > kernel.bearable * self._pairs
            if many and (finer := kernel.finer()):
                self._use(finer)

    def _load(self, kernel: Kernel, start: int, stop: int) -> Loaded:
        room = self._scratch.array("block", (stop - start, self._problem.dim))
        block = self._problem.frame.place(self._problem.images.block(start, stop), out=room)
        return kernel.load_gallery(block, squared_norms(block))

    def finish(self) -> Int64s:
        """Decides what is still open and returns the M slots."""
        list(each(Counter.settle, self._counters))
        slots = np.zeros(len(self._problem.targets.query), np.int64)
        for counter in self._counters:
            slots += counter.slots
        return slots

    def _counter(self) -> Counter:
        """Returns this thread's counter."""
        problem = self._problem
        if not hasattr(self._own, "counter"):
            self._own.counter = Counter(
                problem.queries, problem.images, problem.targets, problem.frame.scale
            )
            with self._lock:
                self._counters.append(self._own.counter)
        counter: Counter = self._own.counter
        return counter
