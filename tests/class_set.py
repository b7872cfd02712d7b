"""A tiny folder of class folders: colours that a network can tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox")


def write_class_folder(root: Path, *, train: int = 6, test: int = 3, size: int = 20) -> Path:
    """Writes ``root/train/CLASS/N.png`` and ``root/val``, and returns ``root``."""
    generator = np.random.default_rng(5)
    colours = generator.integers(30, 226, (len(CLASSES), 3))
    for split, images in (("train", train), ("val", test)):
        for name, colour in zip(CLASSES, colours, strict=True):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(images):
                noise = generator.integers(-30, 31, (size, size, 3))
                pixels = np.clip(colour + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return root
