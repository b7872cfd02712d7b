"""Data sets, of person crops and of classes: where they are, what they hold, their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reid_srdl.data.classes.samples import ClassData, PixelSource, Samples
from reid_srdl.data.classes.table import CLASS_READERS, CLASSES
from reid_srdl.data.images import Steps
from reid_srdl.data.locate import Entry, locate
from reid_srdl.data.people import reader
from reid_srdl.data.people.folders import Patterns, as_patterns
from reid_srdl.data.reid import market
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.data.reid.identities import with_meanings
from reid_srdl.data.reid.joint import SIGN, join
from reid_srdl.data.reid.table import PEOPLE, READERS, REID
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.places import StrPath, as_path

__all__ = [
    "DATASETS",
    "DATASET_NAMES",
    "PEOPLE",
    "UNKNOWN",
    "ClassData",
    "Crops",
    "Patterns",
    "PixelSource",
    "ReidData",
    "Samples",
    "find_entry",
    "load_classes",
    "load_dataset",
    "load_people",
    "part_names",
]

DATASETS: dict[str, Entry] = {**REID, **CLASSES}
UNKNOWN = "unknown"  # what stands for the data set of a network that others trained


class _DatasetNames:
    """All that ``data.name`` may be: the rows of DATASETS, and several of them joined."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and all(part in DATASETS for part in name.split(SIGN))

    def __iter__(self) -> Iterator[str]:
        yield from DATASETS


DATASET_NAMES = _DatasetNames()


def find_entry(name: str) -> Entry:
    """Returns the table's row of a data set; of a joint set one that is made here.

    Raises:
        UserError: no data set has this name, or the sets cannot be joined.
    """
    if SIGN in name:
        parts = ", ".join(part_names(name))
        return Entry(name, summary=f"{parts} as one", fetch=f"get {parts}")
    if name == UNKNOWN:
        raise UserError(
            "on which data set the network was trained is not known", "name one: --dataset NAME"
        )
    if name not in DATASETS:
        raise UserError(f"no such data set: {name!r}", did_you_mean(name, DATASETS), usage=True)
    return DATASETS[name]


def part_names(name: str) -> tuple[str, ...]:
    """Returns the names of the sets that a joint set joins; else the one name.

    Raises:
        UserError: no data set has one of these names, one stands twice, or one is of classes.
    """
    names = tuple(name.split(SIGN))
    if len(names) == 1:
        return names
    for part in names:
        if find_entry(part).task != "reid":
            raise UserError(
                f"{name}: {part} is a data set of classes, and persons alone are joined",
                _choose("reid"),
                usage=True,
            )
    if twice := sorted({part for part in names if names.count(part) > 1}):
        raise UserError(
            f"{name}: joins {', '.join(twice)} with itself",
            "name each set once; crops of your own in Market-1501's layout may be called folder",
            usage=True,
        )
    return names


def load_people(
    sets: Sequence[tuple[str, Path | None]],
    split: int = 0,
    patterns: Patterns | None = None,
) -> ReidData:
    """Finds re-id data sets and lists their crops: one, or several as one; reads no image.

    Args:
        sets: each one's name and folder, as in :func:`load_dataset`.
        split: which division, where the one set has several; joint sets take the first of each.
        patterns: as in :func:`load_dataset`.

    Raises:
        UserError: as :func:`load_dataset`; or sets that cannot be joined.
    """
    if len(sets) == 1:
        return load_dataset(*sets[0], split, patterns)
    if split:
        raise UserError(
            f"data.split: {split} of a joint set: the first division of each is taken",
            "leave data.split out",
            usage=True,
        )
    return join([load_dataset(name, folder, 0, patterns) for name, folder in sets])


def load_dataset(
    name: str,
    data_dir: StrPath | None = None,
    split: int = 0,
    patterns: Patterns | Mapping[str, str] | None = None,
    kept_split: StrPath | None = None,
) -> ReidData:
    """Finds a data set and lists its crops; reads no image.

    Args:
        name: a name in DATASETS.
        data_dir: the set's folder, its parent, the zip, or a folder that holds the zip (which is
            extracted into the cache). None: the environment variable REID_SRDL_DATA; for
            ``walkers`` also the folder ``data`` of the working directory.
        split: which division into training and test, where the data set has several.
        patterns: of ``people``: what an image's path tells of its camera and person, such as
            ``{"camera": r"cam(\\d+)"}``.
        kept_split: of ``people``: the drawn split that a run keeps, to have it again.

    Raises:
        UserError: the name is unknown or that of a classification set, the data set is not there,
            or it is not as it should be.

    >>> data = load_dataset("folder", "set")  # doctest: +SKIP
    >>> len(data.query), len(data.gallery)  # doctest: +SKIP
    (12, 36)
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
    root = locate(entry, as_path(data_dir))
    if name == PEOPLE:
        told = as_patterns(patterns)
        return with_meanings(reader.load(name, root, told, as_path(kept_split)))
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
