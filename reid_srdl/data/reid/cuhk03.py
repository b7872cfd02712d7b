"""CUHK03: 1,467 people in five pairs of cameras, boxes labelled by hand or detected.

W. Li et al., "DeepReID: Deep Filter Pairing Neural Network for Person Re-identification", CVPR
2014. Two protocols:

- new (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017):
  767 people to train on, 700 to test on, evaluated as Market-1501. Read from the published folders
  (CUHK03-NP, Market-1501's layout and naming), or from cuhk-03.mat with
  cuhk03_new_protocol_config_labeled.mat or _detected.mat.
- classic: 20 test sets of 100 people, evaluated single-shot (``eval.gallery: single-shot``): one
  random image of each person from the other camera, 100 times. All images of the 100 people are
  queries and gallery. Everyone else is trained on, as in torchreid; the paper sets 100 of them
  aside for validation and leaves out the last two pairs of cameras.

Cameras are the two of a pair, 1 and 2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_srdl.data.notes import first_ten
from reid_srdl.data.reid import cuhk03_mat, market
from reid_srdl.data.reid.crops import Crops, Packed, ReidData
from reid_srdl.errors import UserError

CLASSIC_SPLITS = 20
CONFIG = "cuhk03_new_protocol_config_{}.mat"
_KINDS = ("labeled", "detected")


def layout(kind: str) -> str:
    """Returns in words what the folder of the new protocol holds."""
    return (
        f"the CUHK03-NP folder {kind} ({', '.join(market.REQUIRED)}), or {cuhk03_mat.MAT} with "
        f"{CONFIG.format(kind)}"
    )


def load_new(name: str, root: Path, split: int = 0) -> ReidData:
    """Lists the crops of the new protocol; reads no image (but extracts them from the .mat once).

    Args:
        name: ``cuhk03-labeled`` or ``cuhk03-detected``.
        root: the folder with the splits, or with cuhk-03.mat.
        split: there is one, 0.

    Raises:
        UserError: a split or file is missing, is not the data set's, or names missing images.
    """
    kind = name.rpartition("-")[2]
    if root.name in _KINDS and root.name != kind:
        raise UserError(f"{root}: holds {root.name} boxes, not {kind}", f"use cuhk03-{root.name}")
    if not (root / cuhk03_mat.MAT).is_file():
        data = market.load(name, root)
        _check_cameras(data)
        return data
    config = next((place for place in _places(root, CONFIG.format(kind)) if place.is_file()), None)
    if config is None:
        raise UserError(f"{root}: lacks {CONFIG.format(kind)}", f"it should hold {layout(kind)}")
    lists = cuhk03_mat.new_protocol(config)
    folder = cuhk03_mat.extracted_images(root / cuhk03_mat.MAT, kind)
    there = {path.name for path in folder.iterdir()}
    _check_lists(config, lists, there)
    parts = {split: _listed(folder, entries) for split, entries in lists.items()}
    packed = Packed((root / cuhk03_mat.MAT, config), folder)
    return ReidData(
        name, root, parts["train"], parts["query"], parts["gallery"], None, packed=packed
    )


def load_classic(name: str, root: Path, split: int = 0) -> ReidData:
    """Lists the crops of one classic split; reads no image (but extracts them once).

    Args:
        name: ``cuhk03-classic-labeled`` or ``cuhk03-classic-detected``.
        root: the folder with cuhk-03.mat.
        split: which of the 20 test sets.

    Raises:
        UserError: the file is missing or not the data set's, or a test set names nobody.
    """
    kind, mat = name.rpartition("-")[2], root / cuhk03_mat.MAT
    chosen = cuhk03_mat.classic_test_set(mat, split)
    folder = cuhk03_mat.extracted_images(mat, kind)
    paths = sorted(path for path in folder.iterdir())
    labels = [cuhk03_mat.parse_image(path.name) for path in paths]
    table = np.array([label for label in labels if label is not None], np.int64).reshape(-1, 3)
    # People count from 1 through all pairs: 10,000 x pair + person is unique, then numbered.
    keys, pids = np.unique(table[:, 0] * 10_000 + table[:, 1], return_inverse=True)
    wanted = chosen[:, 0] * 10_000 + chosen[:, 1]
    if not np.isin(wanted, keys).all():
        raise UserError(
            f"{mat}: test set {split} names people who have no {kind} images",
            "fetch the data set again",
        )
    crops = Crops(tuple(paths), pids.astype(np.int64) + 1, table[:, 2].copy())
    tested = np.isin(keys[pids], wanted)
    test = crops.select(tested)
    packed = Packed((mat,), folder)
    return ReidData(name, root, crops.select(~tested), test, test, None, packed=packed)


def _check_cameras(data: ReidData) -> None:
    for crops in (data.train, data.query, data.gallery):
        for path, camid in zip(crops.paths, crops.camids.tolist(), strict=True):
            if camid not in (1, 2):
                raise UserError(
                    f"{path}: camera {camid}, CUHK03 has 1 and 2", "is this another data set?"
                )


def _places(root: Path, file: str) -> tuple[Path, ...]:
    return (root / file, root.parent / file)  # torchreid keeps the .mat one folder further down


def _check_lists(config: Path, lists: dict[str, list[tuple[str, int]]], there: set[str]) -> None:
    named = [name for entries in lists.values() for name, _ in entries]
    missing = sorted(set(named) - there)
    if missing:
        raise UserError(
            f"{config}: names {len(missing):,} images that are not there: {first_ten(missing)}",
            "fetch both .mat files again",
        )
    if len(set(named)) < len(named):
        raise UserError(f"{config}: an image is in two splits", "fetch it again")
    train, query, gallery = ({pid for _, pid in entries} for entries in lists.values())
    if train & (query | gallery):
        raise UserError(f"{config}: people to train on are tested on, too", "fetch it again")


def _listed(folder: Path, entries: list[tuple[str, int]]) -> Crops:
    paths = tuple(folder / name for name, _ in entries)
    views = [cuhk03_mat.parse_image(name) for name, _ in entries]
    camids = [view[2] if view else 0 for view in views]
    return Crops(paths, np.array([pid for _, pid in entries], np.int64), np.array(camids, np.int64))
