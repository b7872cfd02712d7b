"""Reads ahead in threads, so that decoding overlaps the training step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

_READERS = 2  # so that one batch's last images and the next one's first are decoded together


def prefetched(read: Callable[[T], U], items: Iterable[T], ahead: int = 4) -> Iterator[U]:
    """Yields ``read(item)`` for each item in order, while the next ones are read in threads.

    At most ``ahead`` results wait, which bounds the memory. When the caller stops early, nothing
    more is read. What ``read`` raises is raised at its item's turn.
    """
    waiting: deque[Future[U]] = deque()
    rest = iter(items)
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="prefetch")
    try:
        waiting.extend(pool.submit(read, item) for item in islice(rest, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(read, item) for item in islice(rest, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
