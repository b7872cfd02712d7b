"""Images on which a written network is compared with the run's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reid_srdl.config import DataConfig, sets_of
from reid_srdl.data import find_entry, load_classes
from reid_srdl.data.batches import Images
from reid_srdl.data.images import UnreadableError, read_rgb
from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.named_networks import Named
from reid_srdl.jobs.people import data_to_test
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


def samples_of(named: Named, data_dir: Path | None, dataset: str | None = None) -> Samples:
    """Returns test images of a data set; where it is not there, drawn ones.

    Args:
        named: the run's network.
        data_dir: where the data set is now; then it has to be there.
        dataset: its name; then it has to be there, too. None: the run's own.

    Raises:
        UserError: the data named by ``data_dir`` or ``dataset`` cannot be read.
    """
    data, channels = named.config.data, named.network.channels
    if dataset is not None and dataset != data.name:
        data = data.model_copy(update={"name": dataset, "dir": None})
    try:
        if find_entry(data.name).task == "reid":
            pixels = _crops(named, data, data_dir)
        else:
            pixels = _class_images(data.model_copy(update={"dir": data_dir or data.dir}))
        return Samples(pixels, data.name)
    except UserError as error:
        if data_dir is not None or dataset is not None:
            raise
        drawn = generator(0, "export").integers(
            0, 256, (IMAGES, channels, data.height, data.width), np.uint8
        )
        return Samples(torch.from_numpy(drawn), None, error.what)


def _crops(named: Named, data: DataConfig, data_dir: Path | None) -> Tensor:
    """Returns crops of the gallery, evenly spread over it; of the first of joint sets."""
    name, _ = sets_of(data)[0]
    gallery = data_to_test(named.folder, named.config.data, name, data_dir, data.split).gallery
    size = (data.height, data.width)
    found = []
    for place in _spread(len(gallery)):
        path = gallery.paths[int(place)]
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
