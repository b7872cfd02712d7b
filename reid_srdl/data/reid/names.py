"""File names of person crops in Market-1501's naming, and folders of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.listing import A_FOLDER, SUFFIX, LeftOut, list_folder
from reid_srdl.data.notes import Finding, say_files
from reid_srdl.data.reid.crops import DISTRACTOR, JUNK, Crops

EXAMPLE = "0002_c1s1_000451_03.jpg"

_SUFFIXES = re.compile(rf"(\.{SUFFIX})+$", re.IGNORECASE)
_NAME = re.compile(r"(-1|[0-9]{1,15})_c([0-9]{1,15})(?![0-9])", re.ASCII)
_MISNAMED = "not named as a crop"


@dataclass(frozen=True)
class Scan:
    """What a folder of crops holds.

    Attributes:
        crops: the images, sorted by file name (as in the official lists of Market-1501).
        unexpected: files and folders that are no crops, and why.
        litter: names that file managers leave behind (Thumbs.db and the like), ignored.
    """

    crops: Crops
    unexpected: tuple[LeftOut, ...]
    litter: tuple[str, ...]


def parse_name(name: str) -> tuple[int, int] | None:
    """Returns identity and camera of a crop's file name, None where it is not named as one.

    >>> parse_name("0002_c1s1_000451_03.jpg"), parse_name("-1_c6s3_094992_04.jpg.jpg")
    ((2, 1), (-1, 6))
    >>> parse_name("0005_c2_f0046985.jpg"), parse_name("person.jpg")
    ((5, 2), None)
    """
    match = _NAME.match(name)
    if match is None or _SUFFIXES.search(name) is None:
        return None
    return int(match[1]), int(match[2])


def stem(name: str) -> str:
    """Returns a crop's file name without its image suffixes, however many it has.

    >>> stem("1488_c1s6_023021_00.jpg.jpg")
    '1488_c1s6_023021_00'
    """
    return _SUFFIXES.sub("", name)


def scan(folder: Path) -> Scan:
    """Lists the crops of one folder, sorted by name; reads no image.

    Raises:
        UserError: the folder can't be listed.
    """
    found = list_folder(folder)
    names, labels, unexpected = [], [], list(found.left_out)
    for name in found.images:
        parsed = parse_name(name)
        if parsed is None:
            unexpected.append(LeftOut(name, _MISNAMED))
        else:
            names.append(name)
            labels.append(parsed)
    unexpected += [LeftOut(name, A_FOLDER) for name in found.folders]
    table = np.array(labels, dtype=np.int64).reshape(-1, 2)
    paths = tuple(folder / name for name in names)
    crops = Crops(paths, table[:, 0].copy(), table[:, 1].copy())
    return Scan(crops, tuple(sorted(unexpected, key=lambda one: one.name)), found.litter)


def note_nobody(where: str, crops: Crops, use: str) -> tuple[Finding, ...]:
    """Counts and names the crops that are nobody's, of a split that has no use for them.

    Args:
        where: the split.
        crops: all of its crops.
        use: what they are left out of.
    """
    notes = []
    for pid, text in ((JUNK, "identity -1 (junk)"), (DISTRACTOR, "identity 0 (distractors)")):
        names = names_of(crops, pid)
        if names:
            notes.append(Finding(f"{where}: {say_files(names)} of {text}, {use}", names))
    return tuple(notes)


def names_of(crops: Crops, pid: int) -> tuple[str, ...]:
    """Returns the file names of one identity's crops."""
    return tuple(crops.paths[row].name for row in np.flatnonzero(crops.pids == pid).tolist())


def class_labels(pids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers the identities of N training crops for a classifier.

    Returns:
        N labels, int64 in 0 ... C-1, and the C identities in ascending order, so that
        ``identities[labels]`` is ``pids``.
    """
    identities, labels = np.unique(pids, return_inverse=True)
    return labels.astype(np.int64), identities
