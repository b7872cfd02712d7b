"""Every test has a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.conftest import cache, tiny

__all__ = ["cache", "home", "tiny"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, which ``~`` names."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"
