"""Where an analysis runs, and the images that it passes over."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from reid_srdl.config import AnyConfig, placed
from reid_srdl.data import UNKNOWN
from reid_srdl.data.batches import Images
from reid_srdl.errors import FileError, UserError
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.report.progress import Display
from reid_srdl.seals import write_sealed
from reid_srdl.seeds import generator
from reid_srdl.tasks import open_task
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.tasks.task import Steps, Task
from reid_srdl.texts import json_text
from reid_srdl.training.precision import Compute, choose

_KEPT_BYTES = 2**30  # of images that are kept between passes, because a width takes a hundred


def _fail(error: FileError) -> None:
    raise error


@dataclass(frozen=True)
class Place:
    """Where and on which data an analysis runs; what is not given is as the run was trained.

    Attributes:
        data_dir: the data set's folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the progress.
        refused: told of a record that can't be written, so that it can be shown before.
        dataset: of imported networks, whose own data set nobody knows.
    """

    data_dir: Path | None = None
    device: str = "auto"
    steps: Steps = lambda what, done, total: None
    refused: Callable[[FileError], None] = _fail
    dataset: str | None = None

    def keep(self, path: Path, record: BaseModel) -> None:
        """Writes a record; ``refused`` decides what follows where that can't be."""
        try:
            write_sealed(path, json_text(record.model_dump(mode="json")) + "\n", "the analysis")
        except FileError as error:
            # A file beside it may be the one that could not be written: the checksums.
            self.refused(FileError(error, path, "write the analysis"))

    def opened(
        self, config: AnyConfig, precision: str | None = None, network: NetworkSpec | None = None
    ) -> tuple[Task, Compute]:
        """Opens a run's data set.

        Args:
            config: the run's configuration.
            precision: of the forward passes; None: the run's own.
            network: takes its pixels as its spec says; None: as suits the data set.

        Raises:
            UserError: the data cannot be read, the device is not there, or another data set than
                the run's own is named.
        """
        own = config.data.name
        if self.dataset not in (None, own) and own != UNKNOWN:
            raise UserError(
                f"--dataset {self.dataset}: the run was trained on {own}",
                "leave it out: it is for networks that were imported",
                usage=True,
            )
        precision = precision or config.train.precision
        compute = choose(self.device, precision, config.train.threads)
        data = placed(config.data, [self.data_dir] if self.data_dir else [])
        data = data.model_copy(update={"name": self.dataset or own})
        config = config.model_copy(update={"data": data})
        return open_task(config, compute, self.steps, network=network), compute


@contextlib.contextmanager
def displayed(
    data_dir: Path | None,
    device: str,
    refused: Callable[[FileError], None],
    dataset: str | None = None,
) -> Iterator[Place]:
    """Yields a place whose progress a display shows."""
    with Display() as display:
        yield Place(data_dir, device, display.steps, refused, dataset)


class CleanSplit:
    """The clean views of a split, or of a random part of it, to be passed over again and again.

    Args:
        images: all images that were loaded.
        labels: of the N images of the split, int64.
        batch: images of a forward pass.
        rows: the N images' positions among all.
    """

    def __init__(
        self,
        images: Images,
        labels: Tensor,
        batch: int,
        rows: NDArray[np.int64],
    ) -> None:
        self._source, self._batch = images, batch
        self._index = rows
        self._labels = torch.split(labels.to(images.device), batch)
        height, width = images.size
        small = len(rows) * images.normalisation.channels * height * width <= _KEPT_BYTES
        self._kept = list(images.in_batches(self._index, batch)) if small else None
        self.images = len(self._index)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalised images and labels, on the device."""
        parts = self._kept or self._source.in_batches(self._index, self._batch)
        for pixels, labels in zip(parts, self._labels, strict=True):
            yield self._source.normalise(pixels), labels


def clean_splits(task: Task, batch: int, subset: int | None, seed: int) -> dict[str, CleanSplit]:
    """Returns the clean views of train and, of classes, test."""
    train = task.training_set
    parts = {"train": (train.images, train.labels, train.rows)}
    if isinstance(task, ClassificationTask):
        test = task.test_images
        parts["test"] = (test, torch.from_numpy(task.test_labels), np.arange(len(test)))
    splits = {}
    for name, (images, labels, rows) in parts.items():
        if subset is not None and subset < len(rows):
            drawn = np.sort(generator(seed, "subset", name).permutation(len(rows))[:subset])
            labels, rows = labels[torch.from_numpy(drawn).to(labels.device)], rows[drawn]
        splits[name] = CleanSplit(images, labels, batch, rows)
    return splits


def finite(loss: float) -> float | None:
    """Returns a loss as a record holds it: None where it overflowed."""
    return loss if math.isfinite(loss) else None
