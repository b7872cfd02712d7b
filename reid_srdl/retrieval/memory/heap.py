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

_ARENA_MAX = -8  # glibc's M_ARENA_MAX
_SETTINGS = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")


def share_one() -> None:
    """Lets threads yet to come use the main arena; the user's own settings say otherwise.

    NumPy allocates with Python's lock held, so threads do not get into each other's way.
    """
    if not any(name in os.environ for name in _SETTINGS) and hasattr(_library(), "mallopt"):
        _library().mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Returns what is free in the heap to the system, where the C library can (glibc)."""
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)


@cache
def _library() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
