"""Tiny data sets made on the spot."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_srdl.data.reid.names import parse_name

FILES = {
    "bounding_box_train": (
        "0002_c1s1_000451_03.jpg", "0002_c2s1_000451_01.jpg", "0007_c1s1_000476_01.jpg",
        "0007_c3s2_000001_01.jpg.jpg", "-1_c1s1_000001_00.jpg", "0000_c2s1_000001_00.jpg",
    ),
    "query": ("0001_c1s1_000001_00.jpg", "0003_c2s1_000001_00.jpg.jpg"),
    "bounding_box_test": (
        "-1_c1s1_000009_00.jpg", "0000_c2s1_000002_00.jpg", "0001_c1s1_000026_01.jpg",
        "0001_c2s1_000001_01.jpg", "0003_c1s1_000001_01.jpg", "0003_c2s1_000051_01.jpg",
    ),
    "gt_bbox": ("0001_c1s1_000001_00.jpg", "0003_c2s1_000001_00.jpg"),
}  # fmt: skip


def write_image(path: Path, size: tuple[int, int] = (8, 16), seed: int = 0) -> None:
    """Writes an image of (width, height) pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG" if "jp" in path.suffix.lower() else None)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; the real data's place stays known to the tests that ask."""
    real = os.environ.get("REID_SRDL_DATA")
    monkeypatch.delenv("REID_SRDL_DATA", raising=False)
    if real:
        monkeypatch.setenv("REAL_DATA", real)
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A sound data set of a few images."""
    root = tmp_path / "tiny"
    for split, names in FILES.items():
        (root / split).mkdir(parents=True)
        for seed, name in enumerate(names):
            assert parse_name(name) is not None
            write_image(root / split / name, seed=seed)
    (root / "readme.txt").write_text("about")
    (root / "query" / "Thumbs.db").write_bytes(b"\0")
    return root
