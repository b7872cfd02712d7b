"""The counting engine: gallery blocks stream by, and a few numbers per match are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reid_srdl.retrieval.arithmetic.parallel import each, parts, threads
from reid_srdl.retrieval.counting.frame import frame_for
from reid_srdl.retrieval.counting.kernels.choice import Share, choose, divided
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel
from reid_srdl.retrieval.counting.shard import ShardCount
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Int64s
from reid_srdl.retrieval.rows import Rows

Progress = Callable[[int], None]


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
    _chosen: Kernel | None = field(default=None, init=False, repr=False)

    def slots(
        self, queries: Rows, images: Rows, targets: Targets, progress: Progress | None = None
    ) -> Int64s:
        """Returns the M matches' slots over these images (see `counter`)."""
        problem = Problem(frame_for(queries, images), queries, images, targets)
        slots = np.empty(len(targets.query), np.int64)
        for share in self._shares(problem):
            part, matches = problem.select(share.queries)
            slots[matches] = self._counted(share.kernel, part, progress)
        return slots

    def _counted(self, kernel: Kernel, problem: Problem, progress: Progress | None) -> Int64s:
        counting = ShardCount(kernel, problem)
        query_rows, gallery_rows = kernel.rows(problem.dim)
        query_rows, gallery_rows = self.query_rows or query_rows, self.gallery_rows or gallery_rows

        def add(part: tuple[int, int]) -> int:
            counting.add(*part, query_rows)
            return part[1] - part[0]

        blocks = parts(len(problem.images), gallery_rows, threads() if kernel.threaded else 1)
        for rows in (each if kernel.threaded else map)(add, blocks):
            if progress:
                progress(rows * len(problem.queries))
        result = counting.finish()
        self.left_open += counting.left_open
        self.undecided += counting.undecided
        return result

    def _shares(self, problem: Problem) -> list[Share]:
        if self.kernel is not None:
            return [Share(self.kernel)]
        kernel = self._chosen
        if kernel is None:
            kernel = choose(problem, self.chosen_for or len(problem.images), self.device)
            if self.chosen_for is not None:
                self._chosen = kernel
        return divided(problem, kernel)
