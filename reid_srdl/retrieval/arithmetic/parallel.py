"""Threads for NumPy's work: each takes a part of the problem, with a one-threaded BLAS of its own.

One product over all cores must wait for its slowest thread and leaves the other cores idle while
Python and elementwise steps run; whole parts side by side do neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

_FITTED = 128


def threads() -> int:
    """Returns how many threads NumPy's product would use; 1 where its BLAS is unknown."""
    return max((int(library["num_threads"]) for library in _blas().info()), default=1)


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yields the function's results in the items' order, computed side by side.

    The first exception ends the work. Called from within ``function`` it works on that thread
    alone, because BLAS is limited to one thread there.

    >>> list(each(lambda x: x * x, [1, 2, 3]))
    [1, 4, 9]
    """
    workers = min(threads(), len(items))
    if workers < 2:
        yield from map(function, items)
        return
    with _blas().limit(limits=1), ThreadPoolExecutor(workers) as pool:
        results = [pool.submit(function, item) for item in items]
        try:
            for result in results:
                yield result.result()
        finally:
            pool.shutdown(cancel_futures=True)


def parts(count: int, largest: int, workers: int = 1) -> list[tuple[int, int]]:
    """Cuts ``count`` rows into nearly equal (start, stop), for that many workers.

    Long parts are multiples of 32 rows, which products like best.

    >>> parts(10, 4, 2)
    [(0, 3), (3, 6), (6, 9), (9, 10)]
    """
    number = -(-count // max(1, largest))
    number = max(1, min(count, -(-number // workers) * workers))
    size = max(1, -(-count // number))
    if _FITTED <= size < largest:
        size = min(largest, -(-size // 32) * 32)
    return [(start, min(start + size, count)) for start in range(0, count, size)]


@cache
def _blas_of(process: int) -> Any:
    return ThreadpoolController().select(user_api="blas")


def _blas() -> Any:
    return _blas_of(os.getpid())
