"""Every path to the ranks, by name, with small blocks too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reid_srdl.by_faiss.search import SearchEngine
from reid_srdl.evaluation import Counting
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.counting.kernels.choice import Share
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.kernel import Kernel
from reid_srdl.retrieval.counting.kernels.on_integers import IntegerKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel
from reid_srdl.retrieval.counting.kernels.split import Split, leading_directions
from reid_srdl.retrieval.counting.plain import PlainEngine


class IntegerEngine(CountEngine):
    """Counts by integer products, at any size, with ``leading`` directions at most."""

    def __init__(self, leading: int, bearable: float = 1.0, **options: int) -> None:
        super().__init__(**options)
        self._leading, self._bearable = leading, bearable

    def _shares(self, problem: Problem) -> list[Share]:
        kernel = IntegerKernel(split_of(problem, self._leading))
        kernel.bearable = self._bearable
        return [Share(kernel)]


class DividedEngine(IntegerEngine):
    """Counts every third query by float32, and the others by integers."""

    def _shares(self, problem: Problem) -> list[Share]:
        [share] = super()._shares(problem)
        third = np.arange(len(problem.queries)) % 3 == 0
        shares = [(share.kernel, np.flatnonzero(~third)), (NumpyKernel(), np.flatnonzero(third))]
        return [Share(kernel, queries) for kernel, queries in shares if queries.size]


def split_of(problem: Problem, leading: int) -> Split:
    """Returns the split along the gallery's own principal directions."""
    rows = problem.frame.place(problem.images.take(np.arange(len(problem.images))))
    return Split(leading_directions(rows, leading))


def finest(kernel: Kernel) -> Kernel:
    """Returns the kernel that is left when every coarser one left too many pairs open."""
    while (finer := kernel.finer()) is not None:
        kernel = finer
    return kernel


PATHS: dict[str, Callable[[], Counting]] = {
    "plain": PlainEngine,
    "count chosen": CountEngine,
    "count numpy": lambda: CountEngine(kernel=NumpyKernel()),
    "count numpy small blocks": lambda: CountEngine(
        kernel=NumpyKernel(), query_rows=5, gallery_rows=7
    ),
    "count numpy finest": lambda: CountEngine(kernel=finest(NumpyKernel())),
    "count integers": lambda: IntegerEngine(3),
    "count integers undirected": lambda: IntegerEngine(0),
    "count integers small blocks": lambda: IntegerEngine(2, query_rows=5, gallery_rows=7),
    "count integers at first": lambda: IntegerEngine(1, 0.0, query_rows=5, gallery_rows=7),
    "count integers divided": lambda: DividedEngine(2, query_rows=5, gallery_rows=7),
    "count torch": lambda: CountEngine(kernel=TorchKernel("cpu"), gallery_rows=13),
    "count torch whole": lambda: CountEngine(kernel=TorchKernel("cpu")),
    "search chosen": SearchEngine,
    "search radius": lambda: SearchEngine(list_length=0),
    "search radius small": lambda: SearchEngine(list_length=0, query_rows=9, gallery_rows=61),
    "search short lists": lambda: SearchEngine(list_length=5),
    "search full lists": lambda: SearchEngine(list_length=1 << 30, query_rows=9),
}
