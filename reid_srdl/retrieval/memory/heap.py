"""The C library's heap, kept small, and from growing while a gallery streams by.

glibc gives threads heaps ("arenas") of their own, and what NumPy frees there stays with the
process. Every stretch of a stream starts threads anew, which come by one arena or another, so the
gaps of all of them creep up from stretch to stretch. One arena, given back after each stretch,
stays flat.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

_ARENAS = {-8: 1}  # glibc's M_ARENA_MAX
# M_MMAP_THRESHOLD: larger arrays come from the system and go back there; M_TRIM_THRESHOLD: how much
# may lie free at the heap's end.
_KEEPING = {-3: 1 << 23, -1: 1 << 28}
_SETTINGS = (
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
    "GLIBC_TUNABLES",
)


def share_one(*, keeping: bool = False) -> None:
    """Lets threads yet to come use the main arena; the user's own settings say otherwise.

    NumPy allocates with Python's lock held, so threads do not get into each other's way.

    Args:
        keeping: do not give the heap's free end back in between, only to fetch it again: faster,
            but less flat over many stretches.
    """
    if not any(name in os.environ for name in _SETTINGS) and hasattr(_library(), "mallopt"):
        for option, value in (_ARENAS | (_KEEPING if keeping else {})).items():
            _library().mallopt(option, value)


def give_back() -> None:
    """Returns what is free in the heap to the system, where the C library can (glibc)."""
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)


@cache
def _library() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
