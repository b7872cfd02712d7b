"""One epoch's draws of what is done to images beyond the crop and the flip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reid_srdl.data.augmentation import Augmentation
from reid_srdl.data.erasing import draw_rectangles, erase
from reid_srdl.data.jitter import draw_factors, recolour


@dataclass(frozen=True)
class Looks:
    """The draws of N images, on the device.

    Attributes:
        augmentation: what is done.
        factors: N x 4 float32, of the colours; None: they stay.
        rectangles: N x 4 int64, what is erased; None: nothing.
    """

    augmentation: Augmentation
    factors: Tensor | None
    rectangles: Tensor | None

    def coloured(self, images: Tensor, index: Tensor) -> Tensor:
        """Returns the B images of ``index``, uint8, recoloured: float32 in 0..255; or as given."""
        jitter = self.augmentation.jitter
        if jitter is None or self.factors is None:
            return images
        return recolour(images, self.factors[index], jitter)

    def erased(self, images: Tensor, index: Tensor) -> Tensor:
        """Returns the B images of ``index``, normalised, with what is erased; in place."""
        return images if self.rectangles is None else erase(images, self.rectangles[index])


def draw_looks(
    augmentation: Augmentation,
    drawn: Callable[[str], np.random.Generator],
    images: int,
    size: tuple[int, int],
    device: torch.device,
) -> Looks:
    """Draws the looks of N images; those of image i depend on i alone.

    Args:
        augmentation: what is done.
        drawn: gives the generator of a name.
        images: N.
        size: (height, width) of the images in pixels.
        device: where the draws are wanted.
    """
    factors = rectangles = None
    if augmentation.jitter is not None:
        factors = torch.from_numpy(draw_factors(drawn("jitter"), images, augmentation.jitter))
        factors = factors.to(device)
    if augmentation.erasing is not None:
        made = draw_rectangles(drawn, images, size, augmentation.erasing)
        rectangles = torch.from_numpy(made).to(device)
    return Looks(augmentation, factors, rectangles)
