"""Random erasing (Zhong et al. 2020, Random Erasing Data Augmentation), on a batch at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.data.augmentation import Erasing

_TRIES = 100  # of a rectangle that fits, as in the authors' code

Drawn = Callable[[str], np.random.Generator]


def draw_rectangles(
    drawn: Drawn, images: int, size: tuple[int, int], erasing: Erasing
) -> NDArray[np.int64]:
    """Draws what is erased of each of N images: Algorithm 1, with all images at once.

    Area and ratio are uniform; a rectangle that is not both lower and narrower than the image is
    drawn anew; its place is uniform over those where it lies inside.
    NOTE: the paper draws a place that may lie outside, and then all of it anew, which favours small
    rectangles; its authors' code, whose results are published, does as we do.

    Args:
        drawn: gives the generator of a name; each is asked for a few numbers an image, so that the
            draws of image i depend on i alone.
        images: N.
        size: (height, width) of the images in pixels.
        erasing: how often, and what.

    Returns:
        N x 4: top, left, height, width in pixels; all zero where nothing is erased.
    """
    height, width = size
    sides = np.zeros((images, 2), np.int64)
    chance, *place = drawn("erase").random((images, 3)).T
    open_ = chance < erasing.probability
    for number in range(_TRIES):
        if not open_.any():
            break
        area, ratio = drawn(f"erase/{number}").random((images, 2)).T
        area = height * width * _between(area, erasing.area)
        ratio = _between(ratio, erasing.ratio)
        # H_e = sqrt(S_e r_e), W_e = sqrt(S_e / r_e)
        tried = np.rint(np.sqrt(np.stack([area * ratio, area / ratio], axis=1))).astype(np.int64)
        fits = open_ & (tried[:, 0] < height) & (tried[:, 1] < width)
        sides[fits] = tried[fits]
        open_ &= ~fits
    rooms = np.array(size) - sides + 1
    corners = np.floor(np.stack(place, axis=1) * rooms).astype(np.int64)
    return np.concatenate([np.where(sides > 0, corners, 0), sides], axis=1)


def erase(images: Tensor, rectangles: Tensor) -> Tensor:
    """Sets the pixels of a rectangle of each image to 0, which is the mean of normalised images.

    Args:
        images: B x C x H x W; they are changed in place.
        rectangles: B x 4 int64: top, left, height, width in pixels, on the same device.
    """
    top, left, height, width = rectangles.unbind(1)
    rows = _within(images.shape[2], top, height)
    columns = _within(images.shape[3], left, width)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _within(length: int, first: Tensor, count: Tensor) -> Tensor:
    positions = torch.arange(length, device=first.device)[None, :]
    return (positions >= first[:, None]) & (positions < (first + count)[:, None])


def _between(uniform: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.float64]:
    return bounds[0] + uniform * (bounds[1] - bounds[0])
