"""Market-1501's layout: one folder per split, labels in the file names.

L. Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.
"""

from __future__ import annotations

from pathlib import Path

from reid_srdl.data.listing import LeftOut
from reid_srdl.data.notes import first_ten, say_files
from reid_srdl.data.reid.crops import DISTRACTOR, Crops, ReidData
from reid_srdl.data.reid.names import EXAMPLE, Scan, note_nobody, scan
from reid_srdl.errors import UserError

TRAIN = "bounding_box_train"
QUERY = "query"
GALLERY = "bounding_box_test"
BOXES = "gt_bbox"
REQUIRED = (TRAIN, QUERY, GALLERY)
SPLITS = (*REQUIRED, BOXES)

LAYOUT = f"{', '.join(REQUIRED)} (and {BOXES} for multi-query), crops named like {EXAMPLE}"


def load(name: str, root: Path) -> ReidData:
    """Lists the crops of a data set in Market-1501's layout; reads no image.

    Args:
        name: the data set's name, passed on.
        root: the folder that holds the splits.

    Raises:
        UserError: a split is missing or empty, a file is not named as a crop, or the training
            split has fewer than 2 identities. All of a kind are told at once.
    """
    missing = [split for split in REQUIRED if not (root / split).is_dir()]
    if missing:
        raise UserError(f"{root}: lacks {', '.join(missing)}", f"it should hold {LAYOUT}")
    scans = {split: scan(root / split) for split in SPLITS if (root / split).is_dir()}
    _raise_on_unexpected(root, scans)
    _raise_on_empty(root, scans)
    boxes = scans.get(BOXES)
    return ReidData(
        name=name,
        root=root,
        train=_labelled(root, scans[TRAIN].crops),
        query=scans[QUERY].crops,
        gallery=scans[GALLERY].crops,
        boxes=boxes.crops if boxes else None,
        notes=note_nobody(TRAIN, scans[TRAIN].crops, "not trained on"),
    )


def _raise_on_unexpected(root: Path, scans: dict[str, Scan]) -> None:
    files = [
        LeftOut(f"{split}/{one.name}", one.reason)
        for split, scan in scans.items()
        for one in scan.unexpected
    ]
    if files:
        are = "is no crop" if len(files) == 1 else "are no crops"
        names = first_ten([str(file) for file in files])
        raise UserError(
            f"{root}: {say_files(files)} {are}: {names}",
            f"remove, mend or rename: IDENTITY_cCAMERA..., with image suffix, as in {EXAMPLE}",
        )


def _raise_on_empty(root: Path, scans: dict[str, Scan]) -> None:
    empty = [split for split, scan in scans.items() if not len(scan.crops)]
    if empty:
        raise UserError(
            f"{root}: no images in {', '.join(empty)}", f"put crops there, named like {EXAMPLE}"
        )


def _labelled(root: Path, train: Crops) -> Crops:
    """Returns the training crops that have an identity: neither junk nor distractors."""
    kept = train.select(train.pids > DISTRACTOR)
    identities = len(set(kept.pids.tolist()))
    if identities < 2:
        raise UserError(
            f"{root / TRAIN}: {identities} training identities, where a classifier needs 2 or more",
            "add crops of more identities (-1 and 0000 do not count)",
        )
    return kept
