"""MSMT17: lists of images and identities, a folder for each identity.

L. Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification", CVPR 2018.
``list_train.txt`` and its kin hold lines like ``0000/0000_000_01_0303morning_0015_0.jpg 0``: a file
below the folder of the training or the test images, and its identity. File names read identity,
number, camera (1 to 15), time of recording, sequence, frame. Version 2, with masked faces, names
its folders otherwise.

The published protocol trains on list_train and list_val together (32,621 images). Identities count
from 0 in each of the two folders and stand for other people in the other one: here they count from
1, since 0 stands for distractors, and only their own split tells who they are.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from reid_srdl.data.listing import SUFFIX, is_litter
from reid_srdl.data.notes import Finding, first_ten, printable, say_files
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.errors import UserError

LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
LAYOUT = f"{', '.join(LISTS)} and the folders train and test (mask_train_v2 and mask_test_v2 in V2)"
CAMERAS = 15

_FOLDERS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))
_NAME = re.compile(rf"([0-9]{{1,9}})_[0-9]+_([0-9]{{1,9}})_.+\.{SUFFIX}", re.ASCII | re.IGNORECASE)

Entries = list[tuple[str, int, int]]


def load(name: str, root: Path, split: int = 0) -> ReidData:
    """Lists the crops of MSMT17; reads no image.

    Args:
        name: the data set's name, passed on.
        root: the folder that holds the lists.
        split: there is one, 0.

    Raises:
        UserError: a list or a folder is missing; a line is not as it should be, names a missing
            image, one that another list names too, or an unknown camera.
    """
    train_dir, test_dir = _folders(root)
    train, val, query, gallery = (_entries(root / file) for file in LISTS)
    _raise_on_shared(root, {"list_train.txt": train, "list_val.txt": val})
    _raise_on_shared(root, {"list_query.txt": query, "list_gallery.txt": gallery})
    for file, entries in zip(LISTS, (train, val, query, gallery), strict=True):
        folder = train_dir if file in LISTS[:2] else test_dir
        _raise_on_missing(root / file, folder, entries)
    return ReidData(
        name=name,
        root=root,
        train=_crops(train_dir, train + val),
        query=_crops(test_dir, query),
        gallery=_crops(test_dir, gallery),
        boxes=None,
        notes=(
            *_note_unlisted(train_dir, train + val),
            *_note_unlisted(test_dir, query + gallery),
        ),
    )


def _folders(root: Path) -> tuple[Path, Path]:
    for train, test in _FOLDERS:
        if (root / train).is_dir() and (root / test).is_dir():
            return root / train, root / test
    raise UserError(f"{root}: lacks the folders train and test", f"it should hold {LAYOUT}")


def _entries(path: Path) -> Entries:
    """Returns (file, identity from 1, camera) of each line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", f"its folder should hold {LAYOUT}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file", "fetch the data set again") from None
    entries = [_entry(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not entries:
        raise UserError(f"{path}: names no images", "fetch the data set again")
    return entries


def _entry(path: Path, number: int, line: str) -> tuple[str, int, int]:
    file, _, identity = line.strip().rpartition(" ")
    match = _NAME.fullmatch(file.rpartition("/")[2])
    where = f"{path}, line {number}: {line.strip()[:80]!r}"
    if match is None or not identity.isdecimal() or ".." in file.split("/"):
        raise UserError(
            f"{where} is not a file and an identity",
            "write lines like: 0000/0000_000_01_0303morning_0015_0.jpg 0",
        )
    if int(match[1]) != int(identity):
        raise UserError(
            f"{where}: the identity is not that of the file's name", "mend or remove the line"
        )
    if not 1 <= int(match[2]) <= CAMERAS:
        raise UserError(
            f"{where}: camera {int(match[2])}, MSMT17 has 1 to {CAMERAS}", "mend the file's name"
        )
    return file, int(identity) + 1, int(match[2])


def _raise_on_shared(root: Path, lists: dict[str, Entries]) -> None:
    seen: dict[str, str] = {}
    for file, entries in lists.items():
        for name, _, _ in entries:
            if name in seen:
                other = f"{seen[name]} and {file}" if seen[name] != file else f"{file} twice"
                raise UserError(f"{root}: {name} is in {other}", "list each image once")
            seen[name] = file


def _raise_on_missing(path: Path, folder: Path, entries: Entries) -> None:
    there: dict[str, set[str]] = {}
    missing = []
    for name, _, _ in entries:
        below, _, file = name.rpartition("/")
        if below not in there:
            present = (folder / below).iterdir() if (folder / below).is_dir() else ()
            there[below] = {path.name for path in present}
        if file not in there[below]:
            missing.append(name)
    if missing:
        count = "1 image is" if len(missing) == 1 else f"{len(missing):,} images are"
        raise UserError(
            f"{path}: {count} not in {folder.name}: {first_ten(missing)}",
            "fetch the data set again, or take the lines out",
        )


def _note_unlisted(folder: Path, entries: Entries) -> tuple[Finding, ...]:
    """Counts and names what stands beside the listed images, and is in no list."""
    listed = {name for name, _, _ in entries}
    below = sorted({name.rpartition("/")[0] for name in listed})
    there = (f"{one}/{path.name}" for one in below for path in (folder / one).iterdir())
    others = sorted(
        printable(name)
        for name in there
        if name not in listed and not is_litter(name.rpartition("/")[2])
    )
    if not others:
        return ()
    return (Finding(f"{folder.name}: {say_files(others)} in no list, left out", tuple(others)),)


def _crops(folder: Path, entries: Entries) -> Crops:
    table = np.array([labels for _, *labels in entries], np.int64).reshape(-1, 2)
    paths = tuple(folder / name for name, _, _ in entries)
    return Crops(paths, table[:, 0].copy(), table[:, 1].copy())
