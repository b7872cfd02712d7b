"""A real browser for tests: the one in REID_SRDL_BROWSER, or on PATH."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def _missing(what: str) -> Any:
    """Skips a test that needs a browser; where all is checked, that is a failure."""
    told = f"{what}: set REID_SRDL_BROWSER to a Chromium, and install playwright"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Yields playwright's handle of a headless Chromium."""
    found = os.environ.get("REID_SRDL_BROWSER") or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    if found is None:
        _missing("no browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("no playwright")
    with sync_playwright() as playwright:
        # Debian's root, in a container, has no sandbox of its own.
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()
