"""Batches of images, from decoded pixels or a stream to normalised tensors on the device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_srdl.data.augment import Normaliser, crop_and_flip, draw_epoch, resize
from reid_srdl.data.classes.samples import PixelSource
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.seeds import generator


@dataclass(frozen=True)
class Batch:
    """B training images.

    Attributes:
        images: B x 3 x H x W float32, normalised, channels last in memory.
        labels: B int64 classes.
        index: B int64, each image's position in the training set: knowledge is looked up by it.
    """

    images: Tensor
    labels: Tensor
    index: Tensor


class Images:
    """The images of one split, served at the network's input size.

    Args:
        pixels: N x h x w x 3 uint8, an array or a memory map; or a source that reads as a stream.
        size: (height, width) of the network's input, in pixels.
        device: where batches are wanted; on CUDA the pixels live there if they fit.
        normalisation: mean and deviation of each channel.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8] | PixelSource,
        size: tuple[int, int],
        device: torch.device,
        normalisation: Normalisation = IMAGENET,
    ) -> None:
        self.size = size
        self.device = device
        self.normalise = Normaliser(normalisation, device)
        self.normalisation = normalisation
        self._pixels = pixels
        self._resident: Tensor | None = None
        if isinstance(pixels, np.ndarray) and _fits(pixels, device):
            self._resident = _move(pixels, device)

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, index: Tensor) -> Tensor:
        """Returns the B x 3 x H x W uint8 images at B positions, resized, on the device."""
        if self._resident is not None:
            pixels = self._resident[index.to(self.device)]
        elif isinstance(self._pixels, np.ndarray):
            pixels = _move(self._pixels[index.numpy()], self.device)
        else:
            pixels = _move(self._pixels.read(index.numpy()), self.device)
        return resize(pixels.permute(0, 3, 1, 2), *self.size)

    def in_order(self, batch_size: int, first: int = 0) -> Iterator[Tensor]:
        """Yields the clean view of all images, normalised, from ``first`` on, dropping none."""
        for start in range(first, len(self), batch_size):
            stop = min(start + batch_size, len(self))
            yield self.normalise(self.read(torch.arange(start, stop)))

    def digest(self) -> str:
        """Returns a hash of all pixels, or of the stream, and of the input size."""
        content = hashlib.blake2b(repr((self._pixels.shape, self.size)).encode(), digest_size=16)
        if self.normalisation != IMAGENET:  # else as it always was, so that old phases are found
            content.update(repr(self.normalisation).encode())
        if not isinstance(self._pixels, np.ndarray):
            content.update(self._pixels.digest().encode())
            return content.hexdigest()
        for start in range(0, len(self), 1024):
            content.update(self._pixels[start : start + 1024].tobytes())
        return content.hexdigest()


class TrainingSet:
    """Images with labels, shuffled and augmented by named draws.

    Args:
        images: N images.
        labels: N classes, int64, 0..C-1.
        pad: reflection padding before the random crop, in pixels.
        flip: mirror images at random.
    """

    def __init__(self, images: Images, labels: NDArray[np.int64], *, pad: int, flip: bool) -> None:
        self.images = images
        self.labels = torch.from_numpy(labels).to(images.device)
        self.pad = pad
        self.flip = flip
        self.key = f"{images.digest()}:{hashlib.blake2b(labels.tobytes()).hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self.images)

    def steps(self, batch_size: int) -> int:
        """Returns the batches of an epoch; the last partial one is dropped (shapes are fixed)."""
        return len(self) // batch_size

    def epoch(self, batch_size: int, seed: int, phase: str, epoch: int) -> Iterator[Batch]:
        """Yields one epoch's batches, a function of (seed, phase, epoch) and the sample index."""
        order = generator(seed, phase, epoch, "shuffle").permutation(len(self))
        draws = draw_epoch(generator(seed, phase, epoch, "augment"), len(self), self.pad, self.flip)
        for step in range(self.steps(batch_size)):
            index = torch.from_numpy(order[step * batch_size : (step + 1) * batch_size])
            images = crop_and_flip(
                self.images.read(index), draws.take(index).to(self.images.device), self.pad
            )
            index = index.to(self.images.device)
            yield Batch(self.images.normalise(images), self.labels[index], index)


def _fits(pixels: NDArray[np.uint8], device: torch.device) -> bool:
    """Says whether the pixels may live on the device: at most a quarter of its free memory."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.nbytes < free // 4


def _move(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    # A copy, because torch must not hold a view of a read-only memory map.
    return torch.from_numpy(np.array(pixels)).to(device, non_blocking=True)
