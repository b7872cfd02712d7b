"""Distractors of one's own: a folder of images that join the gallery as nobody's (pid 0).

For Market-1501 the authors published 500,000 of them (Zheng et al., ICCV 2015, section 5).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from reid_srdl.data.reid.crops import DISTRACTOR, Crops, ReidData
from reid_srdl.data.reid.halves import joined
from reid_srdl.data.reid.names import IMAGE_SUFFIXES, is_litter
from reid_srdl.errors import UserError

_NO_CAMERA = 0


def list_distractors(folder: Path) -> Crops:
    """Lists all images of a folder, sorted by name, with pid 0 and camera 0; names say nothing.

    Raises:
        UserError: the folder can't be listed, or holds no image.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file())
    except OSError as error:
        raise UserError(
            f"{folder}: {error.strerror}", "give --distractors a folder of images", usage=True
        ) from None
    names = [
        name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and not is_litter(name)
    ]
    if not names:
        raise UserError(
            f"{folder}: no images in it",
            f"give --distractors the folder that holds them ({', '.join(IMAGE_SUFFIXES)})",
            usage=True,
        )
    nobody = np.full(len(names), DISTRACTOR, np.int64)
    return Crops(
        tuple(folder / name for name in names), nobody, np.full(len(names), _NO_CAMERA, np.int64)
    )


def with_distractors(data: ReidData, folder: Path) -> ReidData:
    """Returns the data set with a folder's images behind its gallery.

    Raises:
        UserError: as `list_distractors`.
    """
    return dataclasses.replace(data, gallery=joined(data.gallery, list_distractors(folder)))
