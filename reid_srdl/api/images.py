"""Images as people have them in Python: files, PIL images, arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.images import KINDS, UnreadableError, read_rgb
from reid_srdl.errors import UserError


def pixels_of(images: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns N images as one array, as an evaluation decodes them.

    Images that all have one size keep it, and are resized later as the network needs. Images of
    different sizes are resized here.

    Args:
        images: one image or a sequence of them: a file's path, a PIL image, or an H x W x 3 array
            of uint8, RGB.
        size: (height, width) of the network's input, in pixels.

    Returns:
        N x H x W x 3, uint8.

    Raises:
        UserError: no images are given, or one is not an image; the message names it.
    """
    every = list(images) if _are_many(images) else [images]
    if not every:
        raise UserError("no images are given", "give at least one")
    found = [_pixels(image, number) for number, image in enumerate(every)]
    if len({own.shape for own in found}) > 1:
        found = [_resized(own, size) for own in found]
    return np.stack(found)


def _are_many(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim == 4
    return isinstance(images, Sequence) and not isinstance(images, str)


def _pixels(image: Any, number: int) -> NDArray[np.uint8]:
    hint = "give files, PIL images, or arrays of H x W x 3 uint8"
    if isinstance(image, str | os.PathLike):
        try:
            return read_rgb(Path(image))
        except (UnreadableError, OSError) as error:
            raise UserError(f"{image}: {error}", f"give a whole {KINDS} image") from None
    if hasattr(image, "convert"):
        image = np.asarray(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise UserError(f"image {number} is a {type(image).__name__}", hint)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UserError(f"image {number} is an array of {image.shape} {image.dtype}", hint)
    return image


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    # As `data.images.read_rgb` resizes.
    resized = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized)
