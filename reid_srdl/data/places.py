"""Places that people name: ``~`` is their home, and caches have a folder."""

from __future__ import annotations

import os
from pathlib import Path

ELSEWHERE = "REID_SRDL_CACHE names another folder for caches"  # of a cache's hint


def expanded(path: Path | str) -> Path:
    """Returns a path with ``~`` and ``~name`` replaced, where there is such a home.

    >>> expanded("data/x").as_posix()
    'data/x'
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for no home


def default_cache_dir() -> Path:
    """Returns where caches go: REID_SRDL_CACHE, else reid-srdl in the user's cache folder."""
    own = os.environ.get("REID_SRDL_CACHE")
    if own:
        return expanded(own)
    user = os.environ.get("XDG_CACHE_HOME")
    return expanded(user or "~/.cache") / "reid-srdl"
