"""A small data set of coloured crops in Market-1501's layout, written in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CAMERAS = (1, 2, 3)


def write_small_set(
    root: Path, *, train: int = 6, test: int = 4, height: int = 32, width: int = 16
) -> Path:
    """Writes ``train`` and ``test`` identities, each seen by three cameras; returns ``root``."""
    noise = np.random.default_rng(0)

    def save(split: str, pid: int, camera: int, frame: int, box: int) -> None:
        folder = root / split
        folder.mkdir(parents=True, exist_ok=True)
        colour = np.random.default_rng(pid + 100).integers(0, 200, 3)
        pixels = np.clip(colour + noise.normal(0, 30, (height, width, 3)), 0, 255)
        name = f"{pid:04d}" if pid >= 0 else str(pid)
        image = Image.fromarray(pixels.astype(np.uint8))
        image.save(folder / f"{name}_c{camera}s1_{frame:06d}_{box:02d}.jpg")

    for camera in CAMERAS:
        for frame in range(2):
            for pid in range(1, 1 + train):
                save("bounding_box_train", pid, camera, frame, 1)
            for pid in range(101, 101 + test):
                save("bounding_box_test", pid, camera, frame, 1)
                save("gt_bbox", pid, camera, frame, 0)
            for pid in (0, -1):
                save("bounding_box_test", pid, camera, frame, 1)
        for pid in range(101, 101 + test):
            save("query", pid, camera, 0, 0)
    return root
