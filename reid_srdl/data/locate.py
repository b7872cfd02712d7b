"""Finds a data set's folder from what the user gave: the folder, its parent, or the archive."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reid_srdl.data.archive import extracted, is_archive, is_tar
from reid_srdl.data.listing import is_litter, refuse_odd_name
from reid_srdl.data.normalisation import IMAGENET, Normalisation
from reid_srdl.data.notes import first_ten, printable
from reid_srdl.data.places import default_cache_dir
from reid_srdl.data.reid.market import LAYOUT, SPLITS
from reid_srdl.errors import UserError
from reid_srdl.places import expanded

VARIABLE = "REID_SRDL_DATA"

_DEPTH = 6  # folders within each other, in an archive, that are looked through


@dataclass(frozen=True)
class Counts:
    """Official counts of one split. Identities leave out junk (-1) and distractors (0000).

    Cameras are None where they depend on the split drawn.
    """

    images: int
    identities: int
    cameras: int | None
    junk: int = 0
    distractors: int = 0


@dataclass(frozen=True)
class ClassCounts:
    """Official counts of one split of a classification data set."""

    images: int
    classes: int


@dataclass(frozen=True)
class Entry:
    """One row of the table of data sets.

    Attributes:
        name: as in ``--dataset``.
        summary: one line.
        fetch: what to get from where, for the message when it is not there.
        folders: folder names looked for under ``--data-dir``.
        archives: names of zips and tars looked for there.
        official: official counts of each split, None where nobody published any.
        partial_boxes: gt_bbox of the test identities only, which multi-query can use.
        default_dir: looked in where neither ``--data-dir`` nor the variable names it.
        task: what is learnt from it.
        marks: files, and folders with a slash behind, of which the set's own folder holds one;
            none: any folder that is not empty is one.
        files: endings of files that are a set by themselves.
        layout: what its folder should hold, in words.
        official_classes: ``official``, of a classification data set.
        md5: official MD5 sums of archives, by name; compared where they are there.
        normalisation: mean and deviation of each channel.
        defaults: configuration keys that suit this set, laid under what the user gives.
        splits: how many divisions into training and test there are, for ``data.split``.
    """

    name: str
    summary: str
    fetch: str
    folders: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    official: dict[str, Counts] | None = None
    partial_boxes: Counts | None = None
    default_dir: Path | None = None
    task: Literal["reid", "classification"] = "reid"
    marks: tuple[str, ...] = tuple(f"{split}/" for split in SPLITS)
    files: tuple[str, ...] = ()
    layout: str = LAYOUT
    official_classes: Mapping[str, ClassCounts] | None = None
    md5: Mapping[str, str] = field(default_factory=dict)
    normalisation: Normalisation = IMAGENET
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    splits: int = 1

    @property
    def own(self) -> bool:
        """Whether it stands for any folder: what the set is, its folder's name tells."""
        return not self.folders


@dataclass(frozen=True)
class Place:
    """Where a data set was found: its folder, and the archive that it was extracted from."""

    root: Path
    archive: Path | None = None


def locate(entry: Entry, data_dir: Path | None) -> Path:
    """Returns the folder that holds the data set, extracting an archive into the cache.

    Args:
        entry: which data set.
        data_dir: its folder, the parent of that, the archive, or a folder with the archive. None:
            what the environment variable REID_SRDL_DATA names, then the entry's own default.

    Raises:
        UserError: nothing there is the data set, or its archive is damaged or unsafe.
    """
    return find_place(entry, data_dir).root


def find_place(entry: Entry, data_dir: Path | None) -> Place:
    """Does what :func:`locate` does, and tells the archive, too."""
    if data_dir is not None:
        return _place(entry, expanded(data_dir), "give another --data-dir")
    named = os.environ.get(VARIABLE)
    if not named and entry.default_dir is None:
        raise UserError(
            f"{entry.name}: no data folder given",
            f"give --data-dir DIR or set {VARIABLE}; {entry.fetch}",
        )
    if named:
        place = expanded(named)
        if place.exists() and (found := _search(entry, place)) is not None:
            return found
    if entry.default_dir is not None:
        # Where the variable leads nowhere, it is what the error should be about.
        default = entry.default_dir
        if (found := _search(entry, default) if default.exists() else None) is not None:
            return found
        if not named:
            return _place(entry, default, "give --data-dir")
    assert named is not None
    if not place.exists():
        raise UserError(
            f"{VARIABLE}={printable(named)}: no such file or folder",
            f"set {VARIABLE} to where the data is, or give --data-dir; {entry.fetch}",
        )
    return _place(entry, place, f"set {VARIABLE} to another folder, or give --data-dir")


def _place(entry: Entry, place: Path, other: str) -> Place:
    """Returns where the set is in a place that the user named; ``other``: how to name another."""
    refuse_odd_name(place)
    if not place.exists():
        raise UserError(f"{place}: no such file or folder", f"{other}; {entry.fetch}")
    found = _search(entry, place)
    if found is not None:
        return found
    if place.is_file():
        raise UserError(*(_why_no_table if entry.files else _why_no_archive)(entry, place))
    if not any(place.iterdir()):
        raise UserError(
            f"{place}: the folder is empty", f"it should hold {entry.layout}; {entry.fetch}"
        )
    sought = " nor ".join((*entry.folders[:1], *entry.archives[:1]))
    parts = ", ".join(mark.rstrip("/") for mark in entry.marks)
    what = f"neither a split ({parts}) nor {sought}" if sought else "no split"
    near = _nearby(entry, place)
    hint = f"give --data-dir {near}" if near is not None else f"{entry.fetch}"
    raise UserError(f"{place}: holds {what}", f"it should hold {entry.layout}; {hint}")


def _why_no_table(entry: Entry, place: Path) -> tuple[str, str]:
    """Returns what is wrong with a file that was named as a set by itself, and what to do."""
    kinds = " or ".join(entry.files)
    return f"{place}: a file, and no table ({kinds})", f"name one, or a folder: {entry.fetch}"


def _why_no_archive(entry: Entry, place: Path) -> tuple[str, str]:
    """Returns what is wrong with a file that was named in a data set's stead, and what to do."""
    if not is_archive(place):
        return (
            f"{place}: a file, and no zip or tar",
            f"name the folder or the archive of the data set; {entry.fetch}",
        )
    kind = "tar" if is_tar(place) else "zip"
    root = extracted(place, default_cache_dir())
    inside = [printable(path.name) for path in sorted(root.iterdir()) if not is_litter(path.name)]
    holds = first_ten(inside) or "nothing"
    return (
        f"{place}: not a {kind} of {entry.name}: it holds {holds}",
        f"the {kind} should hold {entry.layout}",
    )


def _nearby(entry: Entry, place: Path) -> Path | None:
    """Returns the set's own folder where that is just above, or just below by another name."""
    try:
        below = sorted(path for path in place.iterdir() if path.is_dir())
        return next((one for one in (place.parent, *below) if _is_marked(entry, one)), None)
    except OSError:
        return None


def _search(entry: Entry, place: Path) -> Place | None:
    """Looks for the marks in ``place``, in folders of known names, in archives; in that order."""
    if place.is_file():
        if entry.files:
            return Place(place) if place.name.lower().endswith(entry.files) else None
        if not is_archive(place):
            return None
        root = _unpacked(entry, extracted(place, default_cache_dir()))
        return Place(root, place) if root is not None else None
    try:
        if _is_marked(entry, place):
            return Place(place)
        for folder in entry.folders:
            # torchreid keeps market1501/Market-1501-v15.09.15, hence the search within
            below = place / folder
            if below.is_dir() and (found := _search(entry, below)) is not None:
                return found
        for archive in entry.archives:
            if (place / archive).is_file():
                return _search(entry, place / archive)
    except OSError as error:
        raise UserError(
            f"{place}: {error.strerror}", "make the folder readable, or give another --data-dir"
        ) from None
    return None


def _unpacked(entry: Entry, folder: Path) -> Path | None:
    """Returns the marked folder in an extracted archive: itself, or the first below it."""
    level = [folder]
    for _ in range(_DEPTH):
        for candidate in level:
            if _is_marked(entry, candidate):
                return candidate
        level = [
            path
            for parent in level
            for path in sorted(parent.iterdir())
            if path.is_dir() and not is_litter(path.name)
        ]
    return None


def _is_marked(entry: Entry, folder: Path) -> bool:
    if not entry.marks:
        return any(folder.iterdir())
    return any(
        (folder / mark.rstrip("/")).is_dir() if mark.endswith("/") else (folder / mark).is_file()
        for mark in entry.marks
    )
