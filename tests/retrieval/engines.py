"""Every path to the ranks, by name, with small blocks too."""

from __future__ import annotations

from collections.abc import Callable

from reid_srdl.evaluation import Counting
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.counting.kernels.kernel import Kernel
from reid_srdl.retrieval.counting.kernels.on_faiss import FaissKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel
from reid_srdl.retrieval.search import SearchEngine


def finest(kernel: Kernel) -> Kernel:
    """Returns the kernel that is left when every coarser one left too many pairs open."""
    while (finer := kernel.finer()) is not None:
        kernel = finer
    return kernel


PATHS: dict[str, Callable[[], Counting]] = {
    "count chosen": CountEngine,
    "count numpy": lambda: CountEngine(kernel=NumpyKernel()),
    "count numpy small blocks": lambda: CountEngine(
        kernel=NumpyKernel(), query_rows=5, gallery_rows=7
    ),
    "count numpy finest": lambda: CountEngine(kernel=finest(NumpyKernel())),
    "count faiss": lambda: CountEngine(kernel=FaissKernel()),
    "count faiss small blocks": lambda: CountEngine(
        kernel=FaissKernel(), query_rows=9, gallery_rows=61
    ),
    "count torch": lambda: CountEngine(kernel=TorchKernel("cpu"), gallery_rows=13),
    "count torch whole": lambda: CountEngine(kernel=TorchKernel("cpu")),
    "search chosen": SearchEngine,
    "search radius": lambda: SearchEngine(list_length=0),
    "search radius small": lambda: SearchEngine(list_length=0, query_rows=9, gallery_rows=61),
    "search short lists": lambda: SearchEngine(list_length=5),
    "search full lists": lambda: SearchEngine(list_length=1 << 30, query_rows=9),
}
