"""CIFAR-10 and CIFAR-100 as their author publishes them for Python, the folders torchvision reads.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Every file is compared
with its official MD5 sum before it is opened.
"""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.classes.pickles import read_pickle
from reid_srdl.data.classes.samples import ClassData, Samples
from reid_srdl.data.images import Steps
from reid_srdl.errors import UserError

SIDE = 32  # pixels

_AGAIN = "fetch the official archive again"


@dataclass(frozen=True)
class Files:
    """The files of one of the two sets, and what to look for in them.

    Attributes:
        train: names of the training batches.
        test: names of the test batches.
        meta: the file with the classes' names.
        labels: the key of the labels in a batch.
        names: the key of the classes' names in ``meta``.
        classes: how many classes there are.
        md5: the official MD5 sum of each file.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels: str
    names: str
    classes: int
    md5: dict[str, str]


FILES: dict[str, Files] = {
    "cifar10": Files(
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test=("test_batch",),
        meta="batches.meta",
        labels="labels",
        names="label_names",
        classes=10,
        md5={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
    ),
    "cifar100": Files(
        train=("train",),
        test=("test",),
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
        classes=100,
        md5={
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "meta": "7973b15100ade9c7d40fb424638fde48",
        },
    ),
}


def load(
    name: str, root: Path, size: tuple[int, int] | None = None, progress: Steps | None = None
) -> ClassData:
    """Reads a whole set into memory (176 MiB).

    Args:
        name: ``cifar10`` or ``cifar100``.
        root: the folder that holds the batches.
        size: not asked for: the images stay 32 x 32, and are resized as they are served.
        progress: called with (what, files read, files in all).

    Raises:
        UserError: a file is missing, has another MD5 sum than the official one, or does not hold
            what it should.
    """
    files = FILES[name]
    done = 0

    def tell(what: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(f"reading {what}", done, len(files.md5))

    def split(batches: tuple[str, ...]) -> Samples:
        pixels, labels = [], []
        for batch in batches:
            images, targets = read_batch(root / batch, files)
            pixels.append(images)
            labels.append(targets)
            tell(batch)
        held = tuple(root / file for file in (*batches, files.meta))
        return Samples(np.concatenate(labels), np.concatenate(pixels), held)

    classes = read_names(root / files.meta, files)
    tell(files.meta)
    if len(classes) != files.classes:
        raise UserError(f"{root / files.meta}: names {len(classes)} classes", _AGAIN)
    return ClassData(name, root, classes, split(files.train), split(files.test))


def read_names(path: Path, files: Files) -> tuple[str, ...]:
    """Returns the classes' names.

    Raises:
        UserError: as :func:`load`.
    """
    names = _content(path, files).get(files.names)
    if not isinstance(names, list) or len(names) < 2:
        raise UserError(f"{path}: holds no {files.names}", _AGAIN)
    return tuple(names)


def read_batch(path: Path, files: Files) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Returns one file's N x 32 x 32 x 3 pixels and N labels.

    Raises:
        UserError: as :func:`load`.
    """
    content = _content(path, files)
    data, labels = content.get("data"), content.get(files.labels)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3 * SIDE * SIDE:
        raise UserError(f"{path}: holds no images", _AGAIN)
    if (
        not isinstance(labels, list)
        or len(labels) != len(data)
        or not all(isinstance(label, int) for label in labels)
    ):
        raise UserError(f"{path}: holds no {files.labels} for its {len(data):,} images", _AGAIN)
    targets = np.array(labels, dtype=np.int64)
    if len(targets) and not 0 <= targets.min() <= targets.max() < files.classes:
        raise UserError(
            f"{path}: labels {targets.min()} to {targets.max()}, but {files.classes} classes",
            _AGAIN,
        )
    planes = data.reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), targets


def _content(path: Path, files: Files) -> dict[str, Any]:
    """Reads a file once, so that what was summed is what is opened."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", f"the folder should hold {', '.join(files.md5)}"
        ) from None
    found, official = hashlib.md5(content, usedforsecurity=False).hexdigest(), files.md5[path.name]
    if found != official:
        raise UserError(
            f"{path}: corrupt: its MD5 sum is {found}, the official file's {official}",
            _AGAIN,
        )
    try:
        return read_pickle(content)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: refused: {error}", _AGAIN) from None
