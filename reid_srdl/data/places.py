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


def as_a_shell_would(word: str) -> str:
    """Returns a command's word with a leading ``~`` replaced, also behind ``--option=``.

    Shells leave it there, and in quotes.

    >>> as_a_shell_would("--output=a~b")
    '--output=a~b'
    """
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if value == "~" or value.startswith("~/"):
        return f"{name}{equals}{expanded(value)}"
    return word


def default_cache_dir() -> Path:
    """Returns where caches go: REID_SRDL_CACHE, else reid-srdl in the user's cache folder."""
    own = os.environ.get("REID_SRDL_CACHE")
    if own:
        return expanded(own)
    user = os.environ.get("XDG_CACHE_HOME")
    return expanded(user or "~/.cache") / "reid-srdl"
