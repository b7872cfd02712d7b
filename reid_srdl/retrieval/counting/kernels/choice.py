"""Which kernel serves a problem best; ranks do not depend on it."""

from __future__ import annotations

import sys
import time

import numpy as np

from reid_srdl.retrieval.counting.kernels.kernel import Kernel
from reid_srdl.retrieval.counting.kernels.on_faiss import FaissKernel
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel


def choose(queries: int, gallery: int, dim: int, device: str = "cpu") -> Kernel:
    """Returns the kernel to use for a problem of this size; ranks do not depend on the choice.

    On the CPU, NumPy's product is timed on a probe; FAISS's kernel is timed too where it is loaded
    already, or where the whole product would take much longer than loading it.

    Args:
        queries, gallery, dim: the problem's size.
        device: ``cpu``, or a torch device such as ``cuda``.
    """
    if device != "cpu":
        from reid_srdl.retrieval.counting.kernels.on_torch import TorchKernel

        return TorchKernel(device)
    work = queries * gallery * dim
    if work < _PROBED_WORK:
        return NumpyKernel()
    ours = NumpyKernel()
    shape = min(queries, 256), min(gallery, 1024), dim
    seconds = _probe(ours, *shape)
    whole = seconds * work / (shape[0] * shape[1] * dim)
    if "faiss" not in sys.modules and whole < _WORTH_LOADING:
        return ours
    theirs = FaissKernel()
    return theirs if _probe(theirs, *shape) < seconds else ours


_PROBED_WORK = 3 * 10**11  # multiply-adds; below, a few seconds at most, and probes would show
_WORTH_LOADING = 30.0  # seconds; loading FAISS takes 0.7 of them


def _probe(kernel: Kernel, queries: int, gallery: int, dim: int) -> float:
    """Returns the seconds of one block of this size, after one to warm up."""
    q = kernel.load_queries(np.ones((queries, dim), np.float32))
    g = kernel.load_gallery(np.ones((gallery, dim), np.float32), np.full(gallery, float(dim)))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        kernel.block(q, g)
        times.append(time.perf_counter() - start)
    return min(times[1:])
