"""What VIPeR and GRID share: flat folders of images, and splits that halve the identities."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.listing import A_FOLDER, LeftOut, list_folder, note_left_out
from reid_srdl.data.notes import Finding, first_ten
from reid_srdl.data.reid.crops import Crops
from reid_srdl.errors import UserError
from reid_srdl.seeds import generator

SPLITS = 10  # that results are averaged over


@dataclass(frozen=True)
class Naming:
    """How a folder's files are named.

    Attributes:
        pattern: matches a whole name; its first group is the identity, its second, if any, the
            camera.
        example: a name, for messages.
        shift: added to identities, so that a real one is never 0.
        cameras: they count from 1 to this.
    """

    pattern: re.Pattern[str]
    example: str
    shift: int
    cameras: int


def list_crops(
    folder: Path, naming: Naming, camera: int | None = None
) -> tuple[Crops, tuple[Finding, ...]]:
    """Lists the images of a folder, sorted by name, and notes what is left out.

    Args:
        folder: the folder.
        naming: how its files are named.
        camera: the camera of all of them; None: their names tell.

    Raises:
        UserError: the folder is missing or empty, a file is not named so, a camera is unknown.
    """
    found = list_folder(folder)
    names = found.images
    matches = [naming.pattern.fullmatch(name) for name in names]
    wrong = [name for name, match in zip(names, matches, strict=True) if match is None]
    if wrong or not names:
        what = f"not named like {naming.example}: {first_ten(wrong)}" if wrong else "no images"
        raise UserError(f"{folder}: {what}", f"it should hold images like {naming.example}")
    pids, camids = [], []
    for match in matches:
        assert match is not None
        pids.append(int(match[1]) + naming.shift)
        camids.append(int(match[2]) if camera is None else camera)
        if not 1 <= camids[-1] <= naming.cameras:
            raise UserError(
                f"{folder / match[0]}: camera {camids[-1]}, there are 1 to {naming.cameras}",
                "mend the file's name, or remove it",
            )
    paths = tuple(folder / name for name in names)
    left_out = [*found.left_out, *(LeftOut(name, A_FOLDER) for name in found.folders)]
    crops = Crops(paths, np.array(pids, np.int64), np.array(camids, np.int64))
    return crops, note_left_out(folder.name, left_out)


def check_pairs(first: Crops, second: Crops) -> NDArray[np.int64]:
    """Returns the identities, each of which has one image in both folders; 0 counts for nobody.

    Raises:
        UserError: an identity lacks one, or has several.
    """
    sides = [crops.pids[crops.pids > 0] for crops in (first, second)]
    for crops, pids in zip((first, second), sides, strict=True):
        unique, counts = np.unique(pids, return_counts=True)
        if (counts > 1).any():
            twice = crops.select(np.isin(crops.pids, unique[counts > 1]))
            raise UserError(
                f"{crops.paths[0].parent}: identities with more than one image: {_named(twice)}",
                "keep one image of each identity and camera",
            )
    for here, there in ((first, second), (second, first)):
        alone = here.select(~np.isin(here.pids, there.pids) & (here.pids > 0))
        if len(alone):
            raise UserError(
                f"{here.paths[0].parent}: without a partner in {there.paths[0].parent.name}: "
                f"{_named(alone)}",
                "fetch the data set again, or remove them",
            )
    identities: NDArray[np.int64] = np.unique(sides[0])
    return identities


def drawn_half(name: str, identities: NDArray[np.int64], split: int) -> NDArray[np.int64]:
    """Returns the training identities of a split: half of them, drawn by the split's number."""
    order = generator(0, name, split).permutation(len(identities))
    return identities[np.sort(order[: len(identities) // 2])]


def joined(first: Crops, second: Crops) -> Crops:
    """Returns the crops of both."""
    return Crops(
        (*first.paths, *second.paths),
        np.concatenate([first.pids, second.pids]),
        np.concatenate([first.camids, second.camids]),
    )


def _named(crops: Crops) -> str:
    return first_ten([path.name for path in crops.paths])
