"""VIPeR: 632 people, one image each from two cameras, halved at random into training and test.

D. Gray et al., "Evaluating Appearance Models for Recognition, Reacquisition, and Tracking", PETS
2007. Files are named ``000_45.bmp``: identity (counted from 1 here, since 0 stands for distractors)
and viewpoint in degrees. Results are averaged over ten splits of 316 and 316 people; nobody
published which, so these are drawn by the split's number. Queries are camera a's, the gallery is
camera b's: one image of each person, so ranking it whole is the published single-shot protocol.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from reid_srdl.data.listing import SUFFIX
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.halves import Naming, check_pairs, drawn_half, joined, list_crops

LAYOUT = "the folders cam_a and cam_b with images like 000_45.bmp"

_NAMING = Naming(
    re.compile(rf"([0-9]{{1,9}})_[0-9]+\.{SUFFIX}", re.ASCII | re.IGNORECASE),
    "000_45.bmp",
    shift=1,
    cameras=2,
)


def load(name: str, root: Path, split: int = 0) -> ReidData:
    """Lists the crops of one split of VIPeR; reads no image.

    Args:
        name: the data set's name, passed on.
        root: the folder that holds cam_a and cam_b.
        split: which of the ten.

    Raises:
        UserError: a folder is missing or empty, a file is not named as it should be, or a person
            lacks an image.
    """
    a, a_notes = list_crops(root / "cam_a", _NAMING, camera=1)
    b, b_notes = list_crops(root / "cam_b", _NAMING, camera=2)
    training = drawn_half("viper", check_pairs(a, b), split)
    in_a, in_b = np.isin(a.pids, training), np.isin(b.pids, training)
    return ReidData(
        name=name,
        root=root,
        train=joined(a.select(in_a), b.select(in_b)),
        query=a.select(~in_a),
        gallery=b.select(~in_b),
        boxes=None,
        notes=a_notes + b_notes,
    )
