"""Random brightness, contrast, saturation and hue, on a batch at a time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.data.augmentation import Jitter

_GREY = (0.2989, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as torchvision has them


def draw_factors(
    generator: np.random.Generator, images: int, jitter: Jitter
) -> NDArray[np.float32]:
    """Draws N x 4 numbers: factors of brightness, contrast and saturation, and a turn of the hue.

    They are uniform: the factors from 1 - x to 1 + x, the turn from -x to x.
    """
    reach = np.array([jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue])
    middle = np.array([1.0, 1.0, 1.0, 0.0])
    drawn = middle + reach * (2 * generator.random((images, 4)) - 1)
    return drawn.astype(np.float32)


def recolour(images: Tensor, factors: Tensor, jitter: Jitter) -> Tensor:
    """Changes the colours of B x 3 x H x W images; returns float32 ones in 0..255.

    The four steps are torchvision's ``adjust_brightness``, ``adjust_contrast``,
    ``adjust_saturation`` and ``adjust_hue`` of float images, one after the other.
    NOTE: torchvision's ColorJitter shuffles their order for each image; a batch has one order.

    Args:
        images: uint8.
        factors: B x 4, as drawn.
        jitter: which steps are taken: those that have a reach.
    """
    brightness, contrast, saturation, hue = factors[:, :, None, None, None].unbind(1)
    shown = images.float().div_(255)
    if jitter.brightness:
        shown = shown.mul_(brightness).clamp_(0, 1)
    if jitter.contrast:
        shown = _blended(shown, _grey(shown).mean(dim=(1, 2, 3), keepdim=True), contrast)
    if jitter.saturation:
        shown = _blended(shown, _grey(shown), saturation)
    if jitter.hue:
        shown = _turned(shown, hue)
    return shown.mul_(255)


def _grey(images: Tensor) -> Tensor:
    """Returns B x 1 x H x W."""
    red, green, blue = _channels(images)
    grey: Tensor = _GREY[0] * red + _GREY[1] * green + _GREY[2] * blue
    return grey


def _channels(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return images[:, 0:1], images[:, 1:2], images[:, 2:3]


def _blended(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    # factor x + (1 - factor) other
    return torch.lerp(other.expand_as(images), images, factor).clamp_(0, 1)


def _turned(images: Tensor, turn: Tensor) -> Tensor:
    """Turns the hue by a part of the colour circle, saturation and value as they are (HSV)."""
    most, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    chroma = most - least
    red, green, blue = _channels(images)
    safe = torch.where(chroma == 0, 1, chroma)  # grey has no hue
    sector = torch.where(
        most == red,
        (green - blue) / safe,
        torch.where(most == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    # A channel is V - C max(0, min(k, 4 - k, 1)), k = (n + sixths of the circle) mod 6.
    turned = sector + 6 * turn
    k = torch.cat([(n + turned) % 6 for n in (5, 3, 1)], dim=1)
    return most - chroma * torch.minimum(k, 4 - k).clamp(0, 1)
