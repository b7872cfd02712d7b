"""Batches of images, from decoded pixels or a stream to normalised tensors on the device."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reid_srdl.data.augment import (
    Normaliser,
    crop_and_flip,
    draw_corners,
    draw_epoch,
    mirror,
    resize,
)
from reid_srdl.data.augmentation import PLAIN, Augmentation
from reid_srdl.data.balanced import balanced
from reid_srdl.data.classes.samples import PixelSource
from reid_srdl.data.looks import draw_looks
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.data.prefetch import prefetched
from reid_srdl.data.samplers import Sampler, Shuffled, draw_rows
from reid_srdl.seeds import derive, generator, uniform

A = TypeVar("A", NDArray[np.int64], Tensor)
_SHUFFLED = Shuffled()
WHOLE = (0, 1)  # all of a batch, in one process
_TOGETHER, _TOGETHER_PIXELS = 16, 2**24  # batches, and values of their images, made at once on CUDA


@dataclass(frozen=True)
class Batch:
    """B training images.

    Attributes:
        images: B x C x H x W float32, normalised, channels last in memory; of several processes
            that share the batch, this one's part of them. All else is of the whole batch.
        labels: B int64 classes.
        index: B int64, each image's position in the training set: knowledge is looked up by it.
        weight: B float32, 1, or 0 where a label is hidden.
        draws: B x C float32, uniform in [0, 1), a function of (seed, phase, epoch, index); None
            where no loss asks for them.
        known: B x C float32 logits of each table of knowledge that a loss reads, by its key.
        modules: what the loss itself trains, by name, such as centres.
    """

    images: Tensor
    labels: Tensor
    index: Tensor
    weight: Tensor
    draws: Tensor | None = None
    known: Mapping[str, Tensor] = field(default_factory=dict)
    modules: Mapping[str, nn.Module] = field(default_factory=dict)

    def with_known(self, key: str, logits: Tensor) -> Batch:
        """Returns the batch with the rows of one more table."""
        return replace(self, known={**self.known, key: logits})

    def split(self, size: int, images: int) -> Iterator[Batch]:
        """Yields batches of ``size`` labels each, and of ``images`` images."""
        if len(self.labels) == size:
            yield self
            return
        for place in range(len(self.labels) // size):
            own = slice(place * images, (place + 1) * images)
            told = slice(place * size, (place + 1) * size)
            draws = None if self.draws is None else self.draws[told]
            yield Batch(
                self.images[own], self.labels[told], self.index[told], self.weight[told], draws
            )

    def logits_of(self, tables: Sequence[str]) -> tuple[Tensor, ...]:
        """Returns B x C float32 logits of each table, by its key."""
        return tuple(self.known[key] for key in tables)


class Images:
    """The images of one split, served at the network's input size.

    Args:
        pixels: N x h x w x C uint8, an array or a memory map; or a source that reads as a stream.
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
        self.normalisation = normalisation
        self.normalise = Normaliser(normalisation, device, size[1])
        self._pixels = pixels
        self._resident: Tensor | None = None
        if isinstance(pixels, np.ndarray) and _fits(pixels, device):
            self._resident = _moved(np.array(pixels), device)

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def streams(self) -> bool:
        """True where the images are decoded each time that they are read."""
        return not isinstance(self._pixels, np.ndarray)

    def read(self, index: Tensor) -> Tensor:
        """Returns the clean view of B images: B x 3 x H x W uint8, resized, on the device."""
        if self._resident is not None:
            return self._resized(self._resident[index.to(self.device)])
        return self._resized(_moved(self._from_host(index.cpu().numpy()), self.device))

    def in_batches(self, order: NDArray[np.int64], batch_size: int) -> Iterator[Tensor]:
        """Yields the clean views of the images in ``order``, as ``read`` does, reading ahead."""
        if self._resident is not None:
            there = torch.from_numpy(order).to(self.device)  # once, not at each batch
            for index in _chunks(there, batch_size):
                yield self._resized(self._resident[index])
        else:
            yield from self._ahead(self._from_host, _chunks(order, batch_size))

    def crops(
        self, order: NDArray[np.int64], corners: NDArray[np.float64], batch_size: int
    ) -> Iterator[Tensor]:
        """Yields random crops of a stream's images: B x 3 x H x W uint8, on the device.

        Args:
            order: M positions of images.
            corners: M x 2, a crop for each of them (see PixelSource.crops).
            batch_size: B; the last batch may be smaller.
        """
        source = self._pixels
        assert not isinstance(source, np.ndarray)
        yield from self._ahead(
            lambda places: source.crops(order[places], corners[places]),
            _chunks(np.arange(len(order)), batch_size),
        )

    def in_order(self, batch_size: int, first: int = 0) -> Iterator[Tensor]:
        """Yields the clean view of all images, normalised, from ``first`` on, dropping none."""
        for images in self.in_batches(np.arange(first, len(self)), batch_size):
            yield self.normalise(images)

    def digest(self) -> str:
        """Returns a hash of all pixels, or of the stream, and of how networks take them."""
        taken = repr((self._pixels.shape, self.size, self.normalisation))
        content = hashlib.blake2b(taken.encode(), digest_size=16)
        if not isinstance(self._pixels, np.ndarray):
            content.update(self._pixels.digest().encode())
            return content.hexdigest()
        for start in range(0, len(self), 1024):
            content.update(self._pixels[start : start + 1024].tobytes())
        return content.hexdigest()

    def _from_host(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        # Indexing copies: torch must not hold a view of a read-only memory map.
        if isinstance(self._pixels, np.ndarray):
            return np.asarray(self._pixels[index])
        return self._pixels.read(index)

    def _ahead(
        self,
        read: Callable[[NDArray[np.int64]], NDArray[np.uint8]],
        chunks: Iterator[NDArray[np.int64]],
    ) -> Iterator[Tensor]:
        """Yields what ``read`` returns for each chunk, on the device; perhaps reads ahead."""
        on_cuda = self.device.type == "cuda"

        def on_host(index: NDArray[np.int64]) -> Tensor:
            images = torch.from_numpy(read(index))
            return images.pin_memory() if on_cuda else images

        # On CPU, pixels in memory are there faster than a thread could fetch them.
        ahead = self.streams or on_cuda
        batches = prefetched(on_host, chunks) if ahead else map(on_host, chunks)
        for images in batches:
            yield self._resized(images.to(self.device, non_blocking=True))

    def _resized(self, pixels: Tensor) -> Tensor:
        return resize(pixels.permute(0, 3, 1, 2), *self.size)


class TrainingSet:
    """Images with labels, shuffled and augmented by named draws.

    Args:
        images: N images.
        labels: N classes, int64, 0..C-1.
        pad: padding before the random crop, in pixels.
            NOTE: a stream's images are larger than the network's input, so their random crops are
            taken from themselves, and nothing is padded.
        flip: mirror images at random.
        augmentation: what is done besides.
        rows: the images' positions in ``images``; None: all of them, in their order.
        sets: which of several joined sets each image is of, for batches of equal parts of each;
            None: all are drawn alike.
        labelled: which of the images show their labels; the others have the weight 0. None: all.
    """

    def __init__(
        self,
        images: Images,
        labels: NDArray[np.int64],
        *,
        pad: int,
        flip: bool,
        augmentation: Augmentation = PLAIN,
        rows: NDArray[np.int64] | None = None,
        sets: NDArray[np.int64] | None = None,
        labelled: NDArray[np.bool_] | None = None,
    ) -> None:
        self.images = images
        self._rows = np.arange(len(images)) if rows is None else rows
        self.labels = torch.from_numpy(labels).to(images.device)
        self.weight = torch.ones(len(labels), device=images.device)
        self.pad = pad
        self.flip = flip
        self.augmentation = augmentation
        told = labels.tobytes() if rows is None else labels.tobytes() + rows.tobytes()
        self.key = f"{images.digest()}:{hashlib.blake2b(told).hexdigest()[:16]}"
        self.sets = sets
        if sets is not None:
            self.key += f":{hashlib.blake2b(sets.tobytes()).hexdigest()[:16]}"
        if labelled is not None:
            self.weight = torch.from_numpy(labelled).to(self.weight)
            self.key += f":labelled {hashlib.blake2b(labelled.tobytes()).hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The positions of its images among all that were loaded."""
        return self._rows

    @property
    def labelled(self) -> int | None:
        """How many of the images show their labels; None: all."""
        shown = int((self.weight > 0).sum())
        return None if shown == len(self) else shown

    def counts(self, classes: int) -> tuple[int, ...]:
        """Returns the images of each class, 0..C-1."""
        return tuple(torch.bincount(self.labels.cpu(), minlength=classes).tolist())

    def of_classes(self, wanted: Sequence[int]) -> TrainingSet:
        """Returns the images of some classes, whose labels become 0, 1, ... in this order."""
        labels = self.labels.cpu().numpy()
        rows = np.flatnonzero(np.isin(labels, wanted))
        places = {label: place for place, label in enumerate(wanted)}
        own = np.array([places[label] for label in labels[rows].tolist()], np.int64)
        part = copy.copy(self)
        part._rows = self._rows[rows]
        part.sets = None if self.sets is None else self.sets[rows]
        part.labels = torch.from_numpy(own).to(self.images.device)
        part.weight = self.weight[torch.from_numpy(rows).to(self.images.device)]
        told = hashlib.blake2b(repr((self.key, tuple(wanted))).encode(), digest_size=16)
        part.key = told.hexdigest()
        return part

    def clean(
        self, batch_size: int, first: int = 0, part: tuple[int, int] = WHOLE
    ) -> Iterator[Tensor]:
        """Yields the clean view of all images, normalised, in sample order from ``first`` on.

        Args:
            batch_size: images of each batch; the last one may be smaller.
            first: images that are left out before.
            part: (r, N): every N-th batch alone, from the r-th on, r counted from 0.
        """
        rank, size = part
        order = self._rows[first:]
        mine = np.arange(len(order)) // batch_size % size == rank
        for images in self.images.in_batches(order[mine], batch_size):
            yield self.images.normalise(images)

    def spread(self, batch_size: int, most: int) -> Iterator[Tensor]:
        """Yields the clean view of at most so many images, evenly spread over the set."""
        places = np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64)
        for images in self.images.in_batches(self._rows[places], batch_size):
            yield self.images.normalise(images)

    def steps(self, batch_size: int) -> int:
        """Returns the batches of an epoch; the last partial one is dropped (shapes are fixed)."""
        return len(self) // batch_size

    def epoch(
        self,
        batch_size: int,
        seed: int,
        phase: str,
        epoch: int,
        *,
        first: int = 0,
        draws: int = 0,
        sampler: Sampler = _SHUFFLED,
        part: tuple[int, int] = WHOLE,
    ) -> Iterator[Batch]:
        """Yields one epoch's batches, a function of (seed, phase, epoch) and the sample index.

        An image that comes again in the epoch looks otherwise each time.

        Args:
            batch_size: B.
            seed, phase, epoch: name the draws.
            first: batches that were done before, left out here.
            draws: uniform numbers for each sample; 0: none are drawn.
            sampler: which images come together.
            part: (r, N): the images of the r-th of N parts of each batch alone, r counted from 0;
                each looks as it does in the whole batch, and all else is of the whole batch.
        """
        whole = self._order(sampler, batch_size, seed, phase, epoch)
        rows = draw_rows(whole, len(self))
        count = max(len(self), 1 + int(rows.max(initial=0)))
        order, rows = whole[first * batch_size :], rows[first * batch_size :]
        draw = generator(seed, phase, epoch, "augment")
        mine = _part_of(len(order), batch_size, part)
        own, own_rows, own_size = order[mine], rows[mine], batch_size // part[1]
        together = self._together(own_size)
        views = self._views(own, own_rows, draw, count, together * own_size)
        looks = draw_looks(
            self.augmentation,
            lambda name: generator(seed, phase, epoch, name),
            count,
            self.images.size,
            self.images.device,
        )
        # The draws go to the device once an epoch, so that no step waits for them.
        whole_size = together * batch_size
        indices = list(_chunks(torch.from_numpy(order).to(self.images.device), whole_size))
        places = _chunks(torch.from_numpy(own_rows).to(self.images.device), together * own_size)
        parts = zip(indices, places, views, strict=True)
        for number, (index, place, images) in enumerate(parts):
            some = order[number * whole_size : (number + 1) * whole_size]
            drawn = uniform(derive(seed, phase, epoch, "draws"), some, draws) if draws else None
            shown = self.images.normalise(looks.coloured(images, place))
            several = Batch(
                looks.erased(shown, place),
                self.labels[index],
                index,
                self.weight[index],
                None if drawn is None else torch.from_numpy(drawn).to(index.device),
            )
            yield from several.split(batch_size, own_size)

    def _together(self, batch_size: int) -> int:
        """Returns of how many batches the images are made at once; none looks otherwise for it.

        On CUDA making one batch is dozens of kernels of microseconds, which Python launches.
        """
        if self.images.device.type != "cuda" or self.images.streams:
            return 1
        height, width = self.images.size
        pixels = batch_size * height * width * self.images.normalisation.channels
        return max(1, min(_TOGETHER, _TOGETHER_PIXELS // pixels))

    def _order(
        self, sampler: Sampler, batch_size: int, seed: int, phase: str, epoch: int
    ) -> NDArray[np.int64]:
        """Returns the images of an epoch's batches, one batch after the other."""
        labels = self.labels.cpu().numpy()
        if self.sets is None:
            return sampler.order(labels, batch_size, seed, phase, epoch)
        part = sampler.of_part(len(np.unique(self.sets)))

        def drawn(labels: NDArray[np.int64], size: int, name: str) -> NDArray[np.int64]:
            return part.order(labels, size, seed, name, epoch)

        return balanced(self.sets, labels, batch_size, phase, drawn)

    def _views(
        self,
        order: NDArray[np.int64],
        rows: NDArray[np.int64],
        draw: np.random.Generator,
        count: int,
        batch_size: int,
    ) -> Iterator[Tensor]:
        """Yields the augmented images of each batch, B x 3 x H x W uint8.

        Args:
            order: the images' positions.
            rows: the row of draws of each.
            draw: of the epoch.
            count: rows of draws; none depends on how many there are.
            batch_size: B.
        """
        device = self.images.device
        places = _chunks(torch.from_numpy(rows).to(device), batch_size)
        if self.images.streams:
            corners, flips = draw_corners(draw, count, self.flip)
            flips = flips.to(device)
            crops = self.images.crops(self._rows[order], corners[rows], batch_size)
            for place, images in zip(places, crops, strict=True):
                yield mirror(images, flips[place])
        else:
            draws = draw_epoch(draw, count, self.pad, self.flip).to(device)
            clean = self.images.in_batches(self._rows[order], batch_size)
            for place, images in zip(places, clean, strict=True):
                yield crop_and_flip(images, draws.take(place), self.pad, self.augmentation.pad_with)


def _part_of(count: int, batch_size: int, part: tuple[int, int]) -> NDArray[np.int64]:
    """Returns the places of a part of each batch, among those of all batches.

    >>> _part_of(8, 4, (1, 2)).tolist()
    [2, 3, 6, 7]
    """
    rank, size = part
    return np.arange(count).reshape(-1, size, batch_size // size)[:, rank].ravel()


def _chunks(order: A, size: int) -> Iterator[A]:
    return (order[start : start + size] for start in range(0, len(order), size))


def _fits(pixels: NDArray[np.uint8], device: torch.device) -> bool:
    """Says whether the pixels may live on the device: at most a quarter of its free memory."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.nbytes < free // 4


def _moved(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(pixels).to(device, non_blocking=True)
