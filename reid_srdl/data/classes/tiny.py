"""Tiny ImageNet (Stanford CS231n): 200 classes of ImageNet at 64 x 64 pixels.

``train/WNID/images`` and ``val/images`` with ``val/val_annotations.txt``; ``test`` has no labels
and is not used. NOTE: the SRDL paper speaks of 1,000 validation images; there are 10,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.cache import decoded
from reid_srdl.data.classes.file_table import FileTable
from reid_srdl.data.classes.folders import (
    ClassScan,
    Problem,
    find_problems,
    note_hidden,
    raise_on,
    scan_classes,
)
from reid_srdl.data.classes.samples import ClassData, Samples
from reid_srdl.data.images import Steps
from reid_srdl.data.listing import list_folder
from reid_srdl.errors import UserError

SIDE = 64  # pixels
IDS = "wnids.txt"
WORDS = "words.txt"
ANNOTATIONS = "val/val_annotations.txt"
LAYOUT = f"train, val with val_annotations.txt, {IDS} and {WORDS}"

_HINT = "extract the official tiny-imagenet-200.zip again"


@dataclass(frozen=True)
class Contents:
    """What the set's folder holds, and what is wrong with it."""

    classes: tuple[str, ...]
    train: ClassScan
    val: ClassScan
    problems: list[Problem]


def load(
    name: str, root: Path, size: tuple[int, int] | None = None, progress: Steps | None = None
) -> ClassData:
    """Reads the labels, and the pixels through the cache of decoded images (1.3 GB).

    Grey images become grey colours: three equal channels.

    Args:
        name: the data set's name, passed on.
        root: the folder that holds ``train`` and ``val``.
        size: not asked for: the images stay 64 x 64, and are resized as they are served.
        progress: called with (what, pieces done, pieces in all).

    Raises:
        UserError: a file or class is missing, an annotation names no image or class, an image has
            no annotation, or an image can't be read. All of a kind are told at once.
    """
    found = read_contents(root, progress)
    raise_on(root, found.problems)

    def samples(split: str, scan: ClassScan) -> Samples:
        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress(f"decoding {split}", done, total)

        pixels = decoded(scan.files, fallback_size=(SIDE, SIDE), progress=tell)
        return Samples(scan.labels, pixels, scan.files)

    return ClassData(
        name,
        root,
        found.classes,
        samples("train", found.train),
        samples("val", found.val),
        note_hidden({"train": found.train}),
    )


def read_contents(root: Path, progress: Steps | None = None) -> Contents:
    """Lists the images of both splits with their classes, and all problems; reads no image.

    Raises:
        UserError: a list or a split is missing, or can't be read.
    """
    wnids = tuple(sorted(_lines(root / IDS)))
    words = dict(_pairs(root / WORDS))
    train = scan_classes(root / "train", "images", progress)
    annotations = _pairs(root / ANNOTATIONS)
    problems: list[Problem] = []

    def problem(text: str, names: list[str]) -> None:
        if names:
            problems.append(Problem(text, tuple(sorted(names)), _HINT))

    problem(f"train lacks classes of {IDS}", [*{*wnids} - {*train.classes}])
    problem(f"train has class folders that {IDS} lacks", [*{*train.classes} - {*wnids}])
    folder = root / "val" / "images"
    images = _images(folder, problem)
    counts = Counter(image for image, _ in annotations)
    problem(f"{ANNOTATIONS}: annotations that name no image", [*counts.keys() - images])
    problem(f"{ANNOTATIONS}: images annotated twice", [i for i, n in counts.items() if n > 1])
    problem(f"{ANNOTATIONS}: images without annotation", [*images - counts.keys()])
    problem(f"{ANNOTATIONS}: classes that {IDS} lacks", [*{w for _, w in annotations} - {*wnids}])
    val = _val(folder, wnids, [(i, w) for i, w in annotations if i in images and w in wnids])
    if not problems:
        problems += find_problems({"train": train, "val": val})
    names = tuple(f"{wnid} {words[wnid]}" if wnid in words else wnid for wnid in wnids)
    return Contents(names, train, val, problems)


def _val(folder: Path, wnids: tuple[str, ...], annotations: list[tuple[str, str]]) -> ClassScan:
    """Returns the annotated images, by name."""
    table = FileTable()
    annotations = sorted(annotations)
    table.add(folder, [image for image, _ in annotations])
    numbers = {wnid: number for number, wnid in enumerate(wnids)}
    labels: NDArray[np.int64] = np.array([numbers[w] for _, w in annotations], dtype=np.int64)
    return ClassScan(wnids, table, labels, ())


def _images(folder: Path, problem: Callable[[str, list[str]], None]) -> set[str]:
    found = list_folder(folder, hint=_HINT)
    others = [*(str(one) for one in found.left_out), *found.folders]
    problem("val/images: files that are no images", others)
    return set(found.images)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", f"it should hold {LAYOUT}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text", _HINT) from None
    return [line for line in text.splitlines() if line.strip()]


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Returns the first two fields of each line."""
    fields = [line.split("\t") for line in _lines(path)]
    for number, line in enumerate(fields, 1):
        if len(line) < 2:
            raise UserError(f"{path}: line {number} has no second field", _HINT)
    return [(line[0], line[1]) for line in fields]
