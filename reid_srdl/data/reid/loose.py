"""Any folder of crops as a gallery to search in: names may tell identity and camera, or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_srdl.data.listing import list_images
from reid_srdl.data.notes import Finding
from reid_srdl.data.reid.crops import Crops
from reid_srdl.data.reid.names import parse_name
from reid_srdl.places import expanded

UNKNOWN = -2  # pid and camid of a crop whose name does not tell them


def list_gallery(folder: Path) -> tuple[Crops, tuple[Finding, ...]]:
    """Lists the images of a folder, sorted by name.

    Returns:
        The crops, with pid and camid -2 where the name is silent, and a note of what was left out.

    Raises:
        UserError: the folder can't be listed, or holds no image.
    """
    folder = expanded(folder)
    names, notes = list_images(
        folder, "--gallery", none="an empty gallery, no images in it", usage=False
    )
    labels = np.array([parse_name(name) or (UNKNOWN, UNKNOWN) for name in names], np.int64)
    paths = tuple(folder / name for name in names)
    return Crops(paths, labels[:, 0].copy(), labels[:, 1].copy()), notes
