"""Room on a disk is told in units that show a digit, and two sizes never look the same."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.data import load_dataset
from reid_srdl.data.cache import decoded
from reid_srdl.errors import UserError
from reid_srdl.texts import bytes_told, sizes_told
from tests.reports.runs import people


@given(st.integers(1, 2**45), st.integers(0, 2**45))
def test_what_is_not_nothing_shows_a_digit(needed: int, free: int) -> None:
    assert re.search("[1-9]", bytes_told(needed))
    one, other = sizes_told(needed, free)
    assert (one == other) == (needed == free)


@pytest.mark.parametrize(
    ("free", "told"),
    [(0, "take 18.0 KiB, the cache has 0 B"), (18430, "take 18,432 B, the cache has 18,430 B")],
)
def test_the_cache_says_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, told: str
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    root = people(tmp_path / "w")
    crops = load_dataset("folder", root).query  # 12 of 32 x 16 pixels
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1, free=free))
    with pytest.raises(UserError) as caught:
        decoded(crops, fallback_size=(1, 1))
    assert told in caught.value.what


def test_an_archive_says_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    people(tmp_path / "w" / "Market-1501-v15.09.15")
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as file:
        for path in sorted((tmp_path / "w").rglob("*.jpg")):
            file.write(path, path.relative_to(tmp_path / "w"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1, free=100))
    with pytest.raises(UserError, match=r"its content takes \d+\.\d KiB, the cache has 100 B"):
        load_dataset("market1501", tmp_path / "m.zip")
