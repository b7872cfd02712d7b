"""The paper's augmentation, on a batch at a time and on any device (SRDL paper, section 4.1).

Crops are resized, padded by reflection, cropped at random and flipped at random; the draws are made
for a whole epoch at once, so that image i's draw is a function of (seed, phase, epoch, i) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from reid_srdl.data.normalisation import IMAGENET, Normalisation


@dataclass(frozen=True)
class Draws:
    """One epoch's random numbers for N images.

    Attributes:
        offsets: N x 2 int64, the crop's top and left corner in the padded image, in pixels.
        flips: N booleans, mirror the image.
    """

    offsets: Tensor
    flips: Tensor

    def take(self, index: Tensor) -> Draws:
        """Returns the draws of the B images in ``index``."""
        return Draws(self.offsets[index], self.flips[index])

    def to(self, device: torch.device) -> Draws:
        """Returns the draws on a device."""
        return Draws(self.offsets.to(device), self.flips.to(device))


def draw_epoch(generator: np.random.Generator, images: int, pad: int, flip: bool) -> Draws:
    """Draws crop corners, uniform over the (2 pad + 1)^2 positions, and fair flips."""
    uniform = generator.random((images, 3))  # one double per number: row i never depends on others
    offsets = np.floor(uniform[:, :2] * (2 * pad + 1)).astype(np.int64)
    flips = uniform[:, 2] < (0.5 if flip else 0.0)
    return Draws(torch.from_numpy(offsets), torch.from_numpy(flips))


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Resizes B x 3 x h x w uint8 images to ``height`` x ``width``, bilinear with antialiasing."""
    if images.shape[-2:] == (height, width):
        return images
    resized: Tensor = functional.resize(images, [height, width], antialias=True)
    return resized


def crop_and_flip(images: Tensor, draws: Draws, pad: int) -> Tensor:
    """Crops B x 3 x H x W images from their reflection-padded selves, and mirrors some.

    The padded image is never made: reflection is a matter of which pixel to read.
    """
    height, width = images.shape[-2:]
    rows = _reflected(height, draws.offsets[:, 0], pad)
    columns = _reflected(width, draws.offsets[:, 1], pad)
    columns = torch.where(draws.flips[:, None], columns.flip(1), columns)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    pixels = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
    return pixels.permute(0, 3, 1, 2)


class Normaliser:
    """Turns uint8 images into float32 ones of a data set's mean and deviation.

    Args:
        normalisation: mean and deviation of each channel, of pixels in 0..1.
        device: where the images are.
    """

    def __init__(self, normalisation: Normalisation, device: torch.device) -> None:
        self._mean = torch.tensor(normalisation.mean, device=device)[:, None, None] * 255
        self._std = torch.tensor(normalisation.std, device=device)[:, None, None] * 255

    def __call__(self, images: Tensor) -> Tensor:
        """Returns B x 3 x H x W float32 of the same memory order."""
        return images.float().sub_(self._mean).div_(self._std)


def normalise(images: Tensor, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Normalises B x 3 x H x W uint8 images; for many batches a :class:`Normaliser` is kept."""
    return Normaliser(normalisation, images.device)(images)


def _reflected(length: int, offsets: Tensor, pad: int) -> Tensor:
    """Returns B x length source positions: 0..length-1 shifted by offset - pad, reflected."""
    positions = torch.arange(length, device=offsets.device)[None, :] + offsets[:, None] - pad
    positions = positions.abs()
    return torch.where(positions >= length, 2 * (length - 1) - positions, positions)
