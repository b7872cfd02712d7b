"""Finds a data set's folder from what the user gave: the folder, its parent, or the zip."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data.archive import extracted
from reid_srdl.data.cache import default_cache_dir
from reid_srdl.data.reid.market import LAYOUT, SPLITS
from reid_srdl.errors import UserError

VARIABLE = "REID_SRDL_DATA"


@dataclass(frozen=True)
class Counts:
    """Official counts of one split. Identities leave out junk (-1) and distractors (0000)."""

    images: int
    identities: int
    cameras: int
    junk: int = 0
    distractors: int = 0


@dataclass(frozen=True)
class Entry:
    """One row of the table of data sets.

    Attributes:
        name: as in ``--dataset``.
        summary: one line.
        fetch: what to get from where, for the message when it is not there.
        folders: folder names looked for under ``--data-dir``.
        archives: zip names looked for there.
        official: official counts of each split, None where nobody published any.
        partial_boxes: gt_bbox of the test identities only, which multi-query can use.
        default_dir: looked in where neither ``--data-dir`` nor the variable names it.
    """

    name: str
    summary: str
    fetch: str
    folders: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    official: dict[str, Counts] | None = None
    partial_boxes: Counts | None = None
    default_dir: Path | None = None


def locate(entry: Entry, data_dir: Path | None) -> Path:
    """Returns the folder that holds the data set's splits, extracting a zip into the cache.

    Args:
        entry: which data set.
        data_dir: its folder, the parent of that, the zip, or a folder with the zip. None: what
            the environment variable REID_SRDL_DATA names, then the entry's own default.

    Raises:
        UserError: nothing there is the data set, or its zip is damaged or unsafe.
    """
    if data_dir is not None:
        return _root(entry, data_dir)
    named = os.environ.get(VARIABLE)
    places = [Path(named)] if named else []
    if entry.default_dir is not None:
        places.append(entry.default_dir)
    if not places:
        raise UserError(
            f"{entry.name}: no data folder given",
            f"give --data-dir DIR or set {VARIABLE}; {entry.fetch}",
        )
    for place in places[:-1]:
        if place.exists() and (root := _search(entry, place)) is not None:
            return root
    return _root(entry, places[-1])


def _root(entry: Entry, place: Path) -> Path:
    if not place.exists():
        raise UserError(
            f"{place}: no such file or folder", f"give another --data-dir; {entry.fetch}"
        )
    root = _search(entry, place)
    if root is not None:
        return root
    if place.is_file():
        raise UserError(f"{place}: not a zip of a data set", f"the zip should hold {LAYOUT}")
    if not any(place.iterdir()):
        raise UserError(f"{place}: the folder is empty", f"it should hold {LAYOUT}; {entry.fetch}")
    sought = " nor ".join((*entry.folders[:1], *entry.archives[:1]))
    what = f"neither a split ({', '.join(SPLITS)}) nor {sought}" if sought else "no split"
    raise UserError(f"{place}: holds {what}", f"it should hold {LAYOUT}; {entry.fetch}")


def _search(entry: Entry, place: Path) -> Path | None:
    """Looks for the splits in ``place``, in folders of known names, in zips; in that order."""
    if place.is_file():
        if place.suffix.lower() != ".zip":
            return None
        return _unpacked(extracted(place, default_cache_dir()))
    try:
        if any((place / split).is_dir() for split in SPLITS):
            return place
        for folder in entry.folders:
            # torchreid keeps market1501/Market-1501-v15.09.15, hence the search within
            if (place / folder).is_dir() and (root := _search(entry, place / folder)) is not None:
                return root
        for archive in entry.archives:
            if (place / archive).is_file():
                return _search(entry, place / archive)
    except OSError as error:
        raise UserError(
            f"{place}: {error.strerror}", "make the folder readable, or give another --data-dir"
        ) from None
    return None


def _unpacked(folder: Path) -> Path | None:
    """Returns the folder with splits in an extracted zip: itself, or one below it."""
    for candidate in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if any((candidate / split).is_dir() for split in SPLITS):
            return candidate
    return None
