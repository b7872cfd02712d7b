"""The parts of a classification data set: images with class labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.notes import Finding


@runtime_checkable
class PixelSource(Protocol):
    """N images that are read as a stream, because they do not fit in memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, height, width and 3."""

    def __len__(self) -> int:
        """Returns N."""

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the clean view of B images: B x height x width x 3, RGB.

        Raises:
            UserError: an image can't be read.
        """

    def crops(self, index: NDArray[np.int64], corners: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Returns random crops of B images: B x height x width x 3, RGB.

        Args:
            index: B positions.
            corners: B x 2 in [0, 1): where each crop's top and left edge lies between its first
                and its last possible place.

        Raises:
            UserError: an image can't be read.
        """

    def digest(self) -> str:
        """Returns a hash that changes with the images and with how they are read."""


@dataclass(frozen=True)
class Samples:
    """One split: N images with their classes, and the files that they come from.

    Attributes:
        labels: N classes, int64, 0..C-1.
        pixels: N x h x w x 3 uint8, RGB, or N x h x w x 1, grey: an array, a memory map, or a
            source that streams them.
        files: the N image files in this order; or the few files that hold them all.
    """

    labels: NDArray[np.int64]
    pixels: NDArray[np.uint8] | PixelSource
    files: Sequence[Path] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ClassData:
    """A classification data set ready for training and evaluation.

    Attributes:
        name: the data set's name in the table, e.g. ``cifar100``.
        root: the folder that it was read from.
        classes: the names of the C classes; a label is an index into them.
        train: the training images.
        test: the images that scores are made on (of ImageNet and Tiny ImageNet: ``val``).
        notes: what was left out, counted and named.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    train: Samples
    test: Samples
    notes: tuple[Finding, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The C classes, in the order of labels."""
        return self.classes
