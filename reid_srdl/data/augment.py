"""The paper's augmentation, on a batch at a time and on any device (SRDL paper, section 4.1).

Crops are resized, padded by reflection, cropped at random and flipped at random; the draws are made
for a whole epoch at once, so that image i's draw is a function of (seed, phase, epoch, i) alone.
What recipes do besides stands in `data.jitter` and `data.erasing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional

from reid_srdl.data.augmentation import PadWith
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.errors import UserError


def check_pad(height: int, width: int, pad: int) -> None:
    """Refuses a padding that reflection can't make: the mirrored pixels must be in the image.

    Zeros are held to the same bound: beyond it a crop may hold nothing of its image.

    Args:
        height, width: of the network's input, in pixels.
        pad: on each side, in pixels.

    Raises:
        UserError: ``pad`` is negative, or not below both sides.
    """
    if not 0 <= pad < min(height, width):
        raise UserError(
            f"data.pad: {pad} is not below the image's shorter side, {height} x {width} pixels",
            f"choose 0 to {min(height, width) - 1}",
            usage=True,
        )


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


def resize_normalised(images: Tensor, height: int, width: int) -> Tensor:
    """Resizes B x C x h x w float images, for a network of another input size than the others'."""
    if images.shape[-2:] == (height, width):
        return images
    return torch.nn.functional.interpolate(
        images, (height, width), mode="bilinear", antialias=True, align_corners=False
    )


def draw_corners(
    generator: np.random.Generator, images: int, flip: bool
) -> tuple[NDArray[np.float64], Tensor]:
    """Draws the crops of streamed images: N x 2 corners, uniform in [0, 1), and N fair flips."""
    uniform = generator.random((images, 3))
    flips = uniform[:, 2] < (0.5 if flip else 0.0)
    return uniform[:, :2], torch.from_numpy(flips)


def crop_and_flip(images: Tensor, draws: Draws, pad: int, pad_with: PadWith = "reflect") -> Tensor:
    """Crops B x C x H x W images from their padded selves, and mirrors some.

    The padded image is never made: reflection is a matter of which pixel to read. Whole rows are
    taken first, then the C bytes of each pixel within its row. Where zeros are padded, what
    reflection read is blackened.

    Args:
        images: uint8.
        draws: of these images.
        pad: on each side, in pixels.
        pad_with: ``reflect`` or ``zero``.

    Raises:
        ValueError: ``pad`` is negative, or not below height and width (see `check_pad`).
    """
    count, depth, height, width = images.shape
    if not 0 <= pad < min(height, width):
        raise ValueError(f"pad {pad} is not below both sides of {height} x {width} pixels")
    pixels = images.permute(0, 2, 3, 1).contiguous()
    rows = _reflected(height, draws.offsets[:, 0], pad)
    columns = _reflected(width, draws.offsets[:, 1], pad)
    columns = torch.where(draws.flips[:, None], columns.flip(1), columns)
    device = images.device
    first_rows = torch.arange(0, count * height, height, device=device)[:, None]
    taken = pixels.view(count * height, width * depth).index_select(
        0, (first_rows + rows).flatten()
    )
    channels = torch.arange(depth, device=device)
    places = (columns[:, :, None] * depth + channels).view(count, 1, width * depth)
    taken = taken.view(count, height, width * depth)
    crops = taken.gather(2, places.expand(count, height, width * depth))
    crops = crops.view(count, height, width, depth)
    if pad_with == "zero":
        above = _outside(height, draws.offsets[:, 0], pad)
        beside = _outside(width, draws.offsets[:, 1], pad)
        beside = torch.where(draws.flips[:, None], beside.flip(1), beside)
        crops.masked_fill_((above[:, :, None] | beside[:, None, :])[..., None], 0)
    return crops.permute(0, 3, 1, 2)


def mirror(images: Tensor, flips: Tensor) -> Tensor:
    """Mirrors those of B x 3 x H x W images where ``flips`` (B booleans) is true."""
    return torch.where(flips[:, None, None, None], images.flip(3), images)


class Normaliser:
    """Turns uint8 images into float32 ones of a data set's mean and deviation.

    Args:
        normalisation: mean and deviation of each channel, of pixels in 0..1.
        device: where the images are.
        width: the images' usual width in pixels; others work too, a little slower.
    """

    def __init__(
        self, normalisation: Normalisation, device: torch.device, width: int | None = None
    ) -> None:
        self._channels = normalisation.channels
        mean = torch.tensor(normalisation.mean, device=device) * 255
        std = torch.tensor(normalisation.std, device=device) * 255
        # One value for each byte of a row, so that the work is on long stretches of memory.
        self._mean = mean.repeat(width or 1)
        self._std = std.repeat(width or 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Returns B x C x H x W float32 images, channels last in memory."""
        pixels = images.permute(0, 2, 3, 1).contiguous()
        count, height, width, _ = pixels.shape
        depth = self._channels
        if depth * width != len(self._mean):
            rows, mean, std = pixels, self._mean[:depth], self._std[:depth]
        else:
            rows = pixels.view(count, height, width * depth)
            mean, std = self._mean, self._std
        # (x - mean) / std
        result = rows.float().sub_(mean).div_(std)
        return result.view(count, height, width, depth).permute(0, 3, 1, 2)


def normalise(images: Tensor, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Normalises B x 3 x H x W uint8 images; for many batches a :class:`Normaliser` is kept."""
    return Normaliser(normalisation, images.device)(images)


def _reflected(length: int, offsets: Tensor, pad: int) -> Tensor:
    """Returns B x length source positions: 0..length-1 shifted by offset - pad, reflected."""
    positions = torch.arange(length, device=offsets.device)[None, :] + offsets[:, None] - pad
    positions = positions.abs()
    return torch.where(positions >= length, 2 * (length - 1) - positions, positions)


def _outside(length: int, offsets: Tensor, pad: int) -> Tensor:
    """Returns B x length booleans: the positions that lie in the padding."""
    positions = torch.arange(length, device=offsets.device)[None, :] + offsets[:, None] - pad
    return (positions < 0) | (positions >= length)
