"""Where caches go."""

from __future__ import annotations

import os
from pathlib import Path

from reid_srdl.places import expanded

ELSEWHERE = "REID_SRDL_CACHE names another folder for caches"  # of a cache's hint


def default_cache_dir() -> Path:
    """Returns where caches go: REID_SRDL_CACHE, else reid-srdl in the user's cache folder."""
    own = os.environ.get("REID_SRDL_CACHE")
    if own:
        return expanded(own)
    user = os.environ.get("XDG_CACHE_HOME")
    return expanded(user or "~/.cache") / "reid-srdl"
