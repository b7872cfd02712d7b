"""Data sets, of person crops and of classes: where they are, what they hold, their pixels."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.data.classes.samples import ClassData, PixelSource, Samples
from reid_srdl.data.classes.table import CLASS_READERS, CLASSES
from reid_srdl.data.images import Steps
from reid_srdl.data.locate import Entry, locate
from reid_srdl.data.reid import market
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.data.reid.identities import with_meanings
from reid_srdl.data.reid.table import READERS, REID
from reid_srdl.errors import UserError, did_you_mean

__all__ = [
    "DATASETS",
    "ClassData",
    "Crops",
    "PixelSource",
    "ReidData",
    "Samples",
    "find_entry",
    "load_classes",
    "load_dataset",
]

DATASETS: dict[str, Entry] = {**REID, **CLASSES}


def find_entry(name: str) -> Entry:
    """Returns the table's row of a data set.

    Raises:
        UserError: no data set has this name.
    """
    if name not in DATASETS:
        raise UserError(f"no such data set: {name!r}", did_you_mean(name, DATASETS), usage=True)
    return DATASETS[name]


def load_dataset(name: str, data_dir: Path | None = None, split: int = 0) -> ReidData:
    """Finds a data set and lists its crops; reads no image.

    Args:
        name: a name in DATASETS.
        data_dir: the set's folder, its parent, the zip, or a folder that holds the zip (which is
            extracted into the cache). None: the environment variable REID_SRDL_DATA; for
            ``walkers`` also the folder ``data`` of the working directory.
        split: which division into training and test, where the data set has several.

    Raises:
        UserError: the name is unknown or that of a classification set, the data set is not there,
            or it is not as it should be.
    """
    entry = find_entry(name)
    if entry.task != "reid":
        raise UserError(
            f"{name}: a data set of classes, not of persons", _choose("reid"), usage=True
        )
    if not 0 <= split < entry.splits:
        last = entry.splits - 1
        raise UserError(
            f"data.split: {name} has no split {split}",
            f"choose 0 to {last}" if last else "leave it out: there is one",
            usage=True,
        )
    root = locate(entry, data_dir)
    read = READERS[name](name, root, split) if name in READERS else market.load(name, root)
    return with_meanings(read)


def load_classes(
    name: str,
    data_dir: Path | None = None,
    size: tuple[int, int] = (224, 224),
    progress: Steps | None = None,
) -> ClassData:
    """Finds a classification data set and reads its labels, and its pixels where they fit.

    Args:
        name: a name in DATASETS.
        data_dir: as in :func:`load_dataset`.
        size: (height, width) of the network's input in pixels, at which a stream is read; images
            that are kept whole stay as they are.
        progress: called with (what, pieces done, pieces in all).

    Raises:
        UserError: the name is unknown or that of a re-id set, the data set is not there, or it is
            not as it should be.
    """
    entry = find_entry(name)
    if entry.task != "classification":
        raise UserError(
            f"{name}: a data set of persons, not of classes", _choose("classification"), usage=True
        )
    return CLASS_READERS[name](name, locate(entry, data_dir), size, progress)


def _choose(task: str) -> str:
    names = (entry.name for entry in DATASETS.values() if entry.task == task)
    return f"choose from: {', '.join(names)}"
