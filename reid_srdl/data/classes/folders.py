"""Folders of class folders: ImageNet (ILSVRC2012), and any set laid out like it.

``train/CLASS/IMAGE`` and ``val/CLASS/IMAGE`` (or ``test``). ImageNet: O. Russakovsky et al.,
"ImageNet Large Scale Visual Recognition Challenge", IJCV 2015; its classes are WordNet ids.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.cache import decoded, known_pixels
from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.classes.samples import ClassData, Samples
from reid_srdl.data.classes.stream import ImageStream
from reid_srdl.data.images import Progress, Steps, UnreadableError, image_size, map_files
from reid_srdl.data.listing import (
    A_FOLDER,
    EMPTY_FILE,
    NOT_READ,
    NOT_UTF8,
    LeftOut,
    Listing,
    list_folder,
)
from reid_srdl.data.notes import Finding, first_ten, is_utf8, printable, say_files
from reid_srdl.errors import UserError

TRAIN = "train"
TESTS = ("val", "test")  # the first that is there
LAYOUT = "the folders train and val (or test), of one folder of images for each class"

DECODED_BYTES = 4 * 2**30  # up to this, images that are all of one size are kept decoded


@dataclass(frozen=True)
class ClassScan:
    """What a folder of class folders holds.

    Attributes:
        classes: names of the class folders, sorted.
        files: the images, by class and name.
        labels: N classes, int64.
        unexpected: what is neither a class folder nor an image in one, as seen from the folder.
        hidden: hidden folders, which are no classes, as seen from the folder.
    """

    classes: tuple[str, ...]
    files: FileTable
    labels: NDArray[np.int64]
    unexpected: tuple[LeftOut, ...]
    hidden: tuple[str, ...] = ()

    @property
    def empty(self) -> tuple[str, ...]:
        """Classes without images."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return tuple(self.classes[label] for label in np.flatnonzero(counts == 0))


@dataclass(frozen=True)
class Problem:
    """What is wrong with a set: a line of text, the names it is about, and what to do."""

    text: str
    names: tuple[str, ...]
    hint: str


def scan_classes(folder: Path, inside: str = "", progress: Steps | None = None) -> ClassScan:
    """Lists the images of a folder of class folders; reads none.

    Args:
        folder: holds one folder for each class.
        inside: the images stand in this folder of the class folder (``""``: in itself).
        progress: called with (what, class folders done, class folders in all).

    Raises:
        UserError: a folder can't be listed.
    """
    listed = list_folder(folder)
    unexpected = [
        *(LeftOut(name, NOT_READ) for name in listed.images),
        *listed.left_out,
    ]
    classes = tuple(name for name in listed.folders if is_utf8(name))
    unexpected += [LeftOut(name, NOT_UTF8) for name in listed.folders if not is_utf8(name)]
    hidden = [name for name in listed.litter if name.startswith(".")]
    table, counts = FileTable(), []
    for done, name in enumerate(classes, 1):
        place = folder / name / inside
        content = list_folder(place) if place.is_dir() else Listing((), (), (), (), ())
        below = place.relative_to(folder).as_posix()
        unexpected += [LeftOut(f"{below}/{one.name}", one.reason) for one in content.left_out]
        unexpected += [LeftOut(f"{below}/{one}", A_FOLDER) for one in content.folders]
        unexpected += [LeftOut(f"{below}/{one}", EMPTY_FILE) for one in content.empty]
        hidden += [f"{below}/{one}" for one in content.litter if one.startswith(".")]
        table.add(place, content.images)
        counts.append(len(content.images))
        if progress is not None:
            progress(f"listing {folder.name}", done, len(classes))
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), counts)
    return ClassScan(classes, table, labels, tuple(unexpected), tuple(hidden))


def scan_splits(root: Path, progress: Steps | None = None) -> dict[str, ClassScan]:
    """Lists the images of ``train`` and of ``val``, else ``test``, in this order.

    Raises:
        UserError: a folder is missing or can't be listed.
    """
    tests = [name for name in TESTS if (root / name).is_dir()]
    missing = ([] if (root / TRAIN).is_dir() else [TRAIN]) + ([] if tests else [" or ".join(TESTS)])
    if missing:
        raise UserError(f"{root}: lacks {' and '.join(missing)}", f"it should hold {LAYOUT}")
    return {split: scan_classes(root / split, progress=progress) for split in (TRAIN, tests[0])}


def load(name: str, root: Path, size: tuple[int, int], progress: Steps | None = None) -> ClassData:
    """Lists the images of ``train`` and ``val`` (or ``test``), and decodes them if they are few.

    Images that are all of one size and take at most ``DECODED_BYTES`` are decoded once and kept
    at that size; all others, and always ImageNet's, are read as a stream.

    Args:
        name: the data set's name, passed on.
        root: holds the two folders.
        size: (height, width) at which a stream is read, in pixels.
        progress: called with (what, pieces done, pieces in all).

    Raises:
        UserError: a folder is missing, a class is missing from one of the two, a class has no
            image, a file is no image, or there are fewer than 2 classes. All of a kind are told.
    """
    scans = scan_splits(root, progress)
    raise_on(root, find_problems(scans))

    def samples(split: str) -> Samples:
        files, labels = scans[split].files, scans[split].labels
        if name == "imagenet":
            return Samples(labels, ImageStream(files, size, root), files)
        pixels = _pixels(files, None if progress is None else _named(progress, f"decoding {split}"))
        return Samples(labels, ImageStream(files, size, root) if pixels is None else pixels, files)

    train, test = scans
    notes = (*note_unread(name, root), *note_hidden(scans))
    return ClassData(name, root, scans[TRAIN].classes, samples(train), samples(test), notes)


def note_unread(name: str, root: Path) -> tuple[Finding, ...]:
    """Names the folder that is not read where there are both to test on.

    ImageNet's ``test`` has no classes, so nobody expects it to be read.
    """
    read, *unread = [test for test in TESTS if (root / test).is_dir()]
    if not unread or name == "imagenet":
        return ()
    return (
        Finding(f"{read} and {unread[0]} are there: {read} is tested on, {unread[0]} is not read"),
    )


def note_hidden(scans: dict[str, ClassScan]) -> tuple[Finding, ...]:
    """Counts and names the hidden folders that are no classes."""
    names = tuple(
        printable(f"{split}/{name}") for split, scan in scans.items() for name in scan.hidden
    )
    return (Finding(f"{say_files(names)} or folders hidden, left out", names),) if names else ()


def raise_on(root: Path, problems: Sequence[Problem]) -> None:
    """Raises the first problem, with all of its names up to ten.

    Raises:
        UserError: there is a problem.
    """
    for problem in problems:
        names = f": {first_ten(problem.names)}" if problem.names else ""
        raise UserError(f"{root}: {problem.text}{names}", problem.hint)


def find_problems(scans: dict[str, ClassScan]) -> list[Problem]:
    """Returns why a classifier can't be trained on the first split and tested on the second."""
    (train, first), (test, second) = scans.items()
    problems = []
    for split, missing in (
        (test, {*first.classes} - {*second.classes}),
        (train, {*second.classes} - {*first.classes}),
    ):
        if missing:
            folders = "a class folder" if len(missing) == 1 else f"{len(missing):,} class folders"
            text = f"{split} lacks {folders} that {train if split == test else test} has"
            hint = f"sort the images of {train} and {test} into one folder for each class"
            problems.append(Problem(text, tuple(sorted(missing)), hint))
    for split, scan in scans.items():
        if scan.empty:
            text = f"{split}: classes without images"
            problems.append(Problem(text, scan.empty, "add images, or remove the class from both"))
        if scan.unexpected:
            text = f"{split}: neither a class folder nor an image in one"
            # The text says already that they are no images in a class folder.
            names = tuple(
                printable(one.name) if one.reason == NOT_READ else str(one)
                for one in scan.unexpected
            )
            problems.append(Problem(text, names, "move these elsewhere, or mend them"))
    if len(first.classes) < 2:
        text = f"{train}: {len(first.classes)} classes, where a classifier needs 2 or more"
        problems.append(Problem(text, (), f"the folder should hold {LAYOUT}"))
    return problems


def _pixels(files: FileTable, progress: Progress | None) -> NDArray[np.uint8] | None:
    """Returns the decoded images where they are all of one size and few enough, else None."""
    if not _are_alike(files[:8]):
        return None  # told by a few already, as of most photographs
    with contextlib.suppress(UnreadableError):  # is named when it is decoded
        height, width = image_size(files[0])
        if len(files) * height * width * 3 > DECODED_BYTES:
            return None
    known = known_pixels(files)
    if known is not None:
        return known
    return decoded(files, fallback_size=(1, 1), progress=progress) if _are_alike(files) else None


def _are_alike(files: Sequence[Path]) -> bool:
    """Says whether all images are of one size, by their headers, up to the first that differs."""
    sizes: set[tuple[int, int]] = set()
    for size in map_files(image_size, files):
        if not isinstance(size, UnreadableError):
            sizes.add(size)
        if len(sizes) > 1:
            return False
    return True


def _named(progress: Steps, what: str) -> Progress:
    return lambda done, total: progress(what, done, total)
