"""Memory that threads use again and again."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Scratch(threading.local):
    """Arrays of each thread's own: fresh memory costs more than most steps.

    >>> scratch = Scratch()
    >>> scratch.array("a", (2, 3)).shape
    (2, 3)
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
        """Returns an array of that shape, zeros at first, then whatever was left there."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.size < size:
            kept = self._kept[name] = np.zeros(size, dtype)
        return kept[:size].reshape(shape)
