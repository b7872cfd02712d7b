"""What training does to images beyond cropping and flipping, as values. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reid_srdl.config.schema import DataConfig

PadWith = Literal["reflect", "zero"]


@dataclass(frozen=True)
class Erasing:
    """Rectangles that take the images' mean: see `data.erasing`.

    Attributes:
        probability: of each image to be erased, 0 to 1.
        area: least and largest, as fractions of the image.
        ratio: least and largest height, as multiples of the width.
    """

    probability: float
    area: tuple[float, float] = (0.02, 0.4)
    ratio: tuple[float, float] = (0.3, 3.33)


@dataclass(frozen=True)
class Jitter:
    """Random colours: see `data.jitter`.

    Attributes:
        brightness, contrast, saturation: factors are drawn from 1 - x to 1 + x.
        hue: turns of the colour circle are drawn from -x to x.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0


@dataclass(frozen=True)
class Augmentation:
    """What is done besides the random crop and flip, which `data.augment` does.

    Attributes:
        pad_with: what is around an image: itself, mirrored, or zeros, which are black.
        jitter: None: colours stay.
        erasing: None: nothing is erased.
    """

    pad_with: PadWith = "reflect"
    jitter: Jitter | None = None
    erasing: Erasing | None = None


PLAIN = Augmentation()


def augmentation_of(data: DataConfig) -> Augmentation:
    """Returns what the section ``data`` asks for."""
    jitter = Jitter(**data.jitter.model_dump())
    erasing = Erasing(**data.erasing.model_dump())
    return Augmentation(
        pad_with=data.pad_with,
        jitter=jitter if jitter != Jitter() else None,
        erasing=erasing if erasing.probability else None,
    )
