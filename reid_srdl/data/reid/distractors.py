"""Distractors of one's own: a folder of images that join the gallery as nobody's (pid 0).

For Market-1501 the authors published 500,000 of them (Zheng et al., ICCV 2015, section 5).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from reid_srdl.data.listing import list_images
from reid_srdl.data.notes import Finding
from reid_srdl.data.reid.crops import DISTRACTOR, Crops, ReidData
from reid_srdl.data.reid.halves import joined
from reid_srdl.places import expanded

_NO_CAMERA = 0


def list_distractors(folder: Path) -> tuple[Crops, tuple[Finding, ...]]:
    """Lists all images of a folder, sorted by name, with pid 0 and camera 0; names say nothing.

    Returns:
        The crops, and a note of what was left out.

    Raises:
        UserError: the folder can't be listed, or holds no image.
    """
    folder = expanded(folder)
    names, notes = list_images(folder, "--distractors")
    nobody = np.full(len(names), DISTRACTOR, np.int64)
    cameras = np.full(len(names), _NO_CAMERA, np.int64)
    return Crops(tuple(folder / name for name in names), nobody, cameras), notes


def with_distractors(data: ReidData, folder: Path) -> ReidData:
    """Returns the data set with a folder's images behind its gallery, and what was left out.

    They match nobody: no query of a data set has identity 0 (`data.reid.identities`).

    Raises:
        UserError: as `list_distractors`.
    """
    crops, notes = list_distractors(folder)
    return dataclasses.replace(
        data, gallery=joined(data.gallery, crops), notes=(*data.notes, *notes)
    )
