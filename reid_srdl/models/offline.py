"""Whether anything may be fetched. Needs no torch."""

from __future__ import annotations

import os

VARIABLE = "REID_SRDL_OFFLINE"


def offline() -> bool:
    """Says whether the environment forbids to fetch anything; child processes inherit it."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def go_offline() -> None:
    """Forbids it for this process and those that it starts."""
    os.environ[VARIABLE] = "1"
