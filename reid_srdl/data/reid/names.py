"""File names of person crops in Market-1501's naming, and folders of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
EXAMPLE = "0002_c1s1_000451_03.jpg"

_SUFFIXES = re.compile(r"(\.(jpe?g|png|bmp))+$", re.IGNORECASE)
_NAME = re.compile(r"(-1|[0-9]{1,15})_c([0-9]{1,15})(?![0-9])", re.ASCII)
_LITTER = re.compile(
    r"thumbs\.db|ehthumbs\.db|\.ds_store|desktop\.ini|\._.*|__macosx|\.gitkeep|readme(\..*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Scan:
    """What a folder of crops holds.

    Attributes:
        crops: the images, sorted by file name (as in the official lists of Market-1501).
        unexpected: names of files and folders that are no crops: not named as one, no image.
        litter: names that file managers leave behind (Thumbs.db and the like), ignored.
    """

    crops: Crops
    unexpected: tuple[str, ...]
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


def is_litter(name: str) -> bool:
    """Tells whether ``name`` is what file managers and archives leave behind."""
    return _LITTER.fullmatch(name) is not None


def scan(folder: Path) -> Scan:
    """Lists the crops of one folder, sorted by name; reads no image.

    Raises:
        UserError: the folder can't be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_file()) for entry in entries)
    except OSError as error:
        raise UserError(
            f"{folder}: {error.strerror}", "make the folder readable, or give another --data-dir"
        ) from None
    names, labels, unexpected, litter = [], [], [], []
    for name, is_file in found:
        parsed = parse_name(name) if is_file else None
        if parsed is not None:
            names.append(name)
            labels.append(parsed)
        elif is_litter(name):
            litter.append(name)
        else:
            unexpected.append(name)
    table = np.array(labels, dtype=np.int64).reshape(-1, 2)
    paths = tuple(folder / name for name in names)
    crops = Crops(paths, table[:, 0].copy(), table[:, 1].copy())
    return Scan(crops, tuple(unexpected), tuple(litter))


def class_labels(pids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers the identities of N training crops for a classifier.

    Returns:
        N labels, int64 in 0 ... C-1, and the C identities in ascending order, so that
        ``identities[labels]`` is ``pids``.
    """
    identities, labels = np.unique(pids, return_inverse=True)
    return labels.astype(np.int64), identities


def first_ten(names: Sequence[str]) -> str:
    """Names the first ten, and says how many more there are."""
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
