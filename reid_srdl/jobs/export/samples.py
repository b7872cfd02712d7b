"""Images on which a written network is compared with the run's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reid_srdl.config import AnyConfig, DataConfig, placed, sets_of
from reid_srdl.data import find_entry, load_classes, load_people
from reid_srdl.data.batches import Images
from reid_srdl.data.images import UnreadableError, read_rgb
from reid_srdl.errors import UserError
from reid_srdl.seeds import generator

IMAGES = 32


@dataclass(frozen=True)
class Samples:
    """At most 32 images.

    Attributes:
        pixels: N x C x H x W uint8, at the network's input size.
        of: the data set that they are from; None: they were drawn.
        reason: why they had to be drawn.
    """

    pixels: Tensor
    of: str | None
    reason: str | None = None

    @property
    def words(self) -> str:
        """What they are, for people."""
        count = len(self.pixels)
        return f"{count} drawn images" if self.of is None else f"{count} images of {self.of}"

    @property
    def note(self) -> str | None:
        """Why they are drawn; None: they are not."""
        return None if self.reason is None else f"compared on drawn images, because {self.reason}"


def samples_of(config: AnyConfig, channels: int, data_dir: Path | None) -> Samples:
    """Returns test images of a run's data set; where it is not there, drawn ones.

    Args:
        config: the run's configuration.
        channels: of an image.
        data_dir: where the data set is now; then it has to be there.

    Raises:
        UserError: the data named by ``data_dir`` cannot be read.
    """
    data = placed(config.data, [data_dir] if data_dir else [])
    try:
        is_reid = find_entry(data.name).task == "reid"
        pixels = _crops(data) if is_reid else _class_images(data)
        return Samples(pixels, data.name)
    except UserError as error:
        if data_dir is not None:
            raise
        drawn = generator(0, "export").integers(
            0, 256, (IMAGES, channels, data.height, data.width), np.uint8
        )
        return Samples(torch.from_numpy(drawn), None, error.what)


def _crops(data: DataConfig) -> Tensor:
    """Returns crops of the gallery, evenly spread over it."""
    gallery = load_people(sets_of(data), data.split).gallery
    size = (data.height, data.width)
    found = []
    for place in _spread(len(gallery)):
        path = gallery.paths[place]
        try:
            found.append(torch.from_numpy(read_rgb(path, size).copy()).permute(2, 0, 1))
        except UnreadableError as error:
            raise UserError(f"{path}: {error}", "restore the file") from None
    return torch.stack(found)


def _class_images(data: DataConfig) -> Tensor:
    """Returns test images, evenly spread over all."""
    size = (data.height, data.width)
    pixels = load_classes(data.name, data.dir, size).test.pixels
    images = Images(pixels, size, torch.device("cpu"))
    return images.read(torch.from_numpy(_spread(len(images))))


def _spread(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.linspace(0, count - 1, min(IMAGES, count)).astype(np.int64)
