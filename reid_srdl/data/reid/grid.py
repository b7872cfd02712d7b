"""GRID: 250 people seen twice by eight underground cameras, and 775 images of others.

C. C. Loy et al., "Multi-camera Activity Correlation Analysis", CVPR 2009. Files are named
``0001_1_25004_107_32_106_221.jpeg``: identity, camera, and where the box was; identity 0 in the
gallery marks the 775 distractors. ``features_and_partitions.mat`` holds the ten published splits of
125 and 125 people (the cell array trainIdxAll, the third field of each entry: the training
identities); where it is not there, splits are drawn by their number. A gallery has one image of
each person, so ranking it whole is the published single-shot protocol.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.listing import SUFFIX
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.halves import Naming, check_pairs, drawn_half, joined, list_crops
from reid_srdl.errors import UserError

PARTITIONS = "features_and_partitions.mat"
LAYOUT = (
    f"the folders probe and gallery with images like 0001_1_25004_107_32_106_221.jpeg, and "
    f"{PARTITIONS} for the published splits"
)

_NAMING = Naming(
    re.compile(rf"([0-9]{{1,9}})_([0-9]{{1,9}})_.+\.{SUFFIX}", re.ASCII | re.IGNORECASE),
    "0001_1_25004_107_32_106_221.jpeg",
    shift=0,
    cameras=8,
)
_FIELD = 2  # of an entry of trainIdxAll: the training identities


def load(name: str, root: Path, split: int = 0) -> ReidData:
    """Lists the crops of one split of GRID; reads no image.

    Args:
        name: the data set's name, passed on.
        root: the folder that holds probe and gallery.
        split: which of the ten.

    Raises:
        UserError: a folder is missing or empty, a file is not named as it should be, a person lacks
            an image, or the splits are not those of these images.
    """
    probe, probe_notes = list_crops(root / "probe", _NAMING)
    gallery, gallery_notes = list_crops(root / "gallery", _NAMING)
    identities = check_pairs(probe, gallery)
    if (root / PARTITIONS).is_file():
        training = _published(root / PARTITIONS, identities, split)
    else:
        training = drawn_half("grid", identities, split)
    in_probe, in_gallery = np.isin(probe.pids, training), np.isin(gallery.pids, training)
    return ReidData(
        name=name,
        root=root,
        train=joined(probe.select(in_probe), gallery.select(in_gallery)),
        query=probe.select(~in_probe),
        gallery=gallery.select(~in_gallery),
        boxes=None,
        notes=probe_notes + gallery_notes,
    )


def _published(path: Path, identities: NDArray[np.int64], split: int) -> NDArray[np.int64]:
    import scipy.io  # slow to import, and only this needs it

    try:
        cells = scipy.io.loadmat(path, variable_names=["trainIdxAll"])["trainIdxAll"]
        chosen = np.asarray(cells.reshape(-1)[split].reshape(-1)[0][_FIELD])
        training: NDArray[np.int64] = np.unique(chosen.reshape(-1).astype(np.int64))
    except Exception:  # a damaged or foreign file makes the reader raise nearly anything
        raise UserError(
            f"{path}: holds no split {split} (trainIdxAll, third field)",
            "fetch the data set again, or remove the file to draw the splits",
        ) from None
    if not np.isin(training, identities).all() or not 0 < len(training) < len(identities):
        raise UserError(
            f"{path}: split {split} names {len(training)} training identities, not all of which "
            f"are among the {len(identities)} of the images",
            "fetch the data set again, or remove the file to draw the splits",
        )
    return training
