"""Images whose very bytes stand in several splits: what was learned is then judged on itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.file_digests import file_digests, signature
from reid_srdl.data.notes import Finding, printable
from reid_srdl.data.reid.crops import ReidData


def find_copies(root: Path, splits: Mapping[str, Sequence[Path]]) -> list[Finding]:
    """Names the images that stand in more than one of some splits, byte by byte.

    Args:
        root: the data set's folder.
        splits: the files of each.

    Raises:
        UserError: a file is not there or can't be read.
    """
    where = {str(path): split for split, paths in splits.items() for path in paths}
    digests = file_digests(root, {file: signature(file) for file in where})
    alike: dict[str, list[str]] = defaultdict(list)
    for file in where:
        alike[digests[file]].append(file)
    several = [same for same in alike.values() if len({where[file] for file in same}) > 1]
    below = f"{root}/"
    found = tuple(
        " = ".join(f"{printable(file.removeprefix(below))} ({where[file]})" for file in same)
        for same in several
    )
    if not found:
        return []
    what = "image stands" if len(found) == 1 else "images stand"
    return [Finding(f"{len(found):,} {what} in several splits, byte by byte", found)]


def copies_in(data: ReidData | ClassData) -> list[Finding]:
    """Names the images that a data set both trains on and tests on, or queries and ranks.

    Hand-drawn boxes may be the queries' own crops. Sets in a few large files, and those that are
    read as a stream, are not looked through.

    Raises:
        UserError: a file is not there or can't be read.
    """
    if isinstance(data, ClassData):
        if any(len(part.files) != len(part.labels) for part in (data.train, data.test)):
            return []
        if not isinstance(data.train.pixels, np.ndarray):
            return []
        return find_copies(data.root, {"train": data.train.files, "test": data.test.files})
    if data.parts:
        return [found for part in data.parts for found in copies_in(part)]
    if data.packed is not None:
        return []
    crops = {"train": data.train, "query": data.query, "gallery": data.gallery}
    return find_copies(data.root, {split: own.paths for split, own in crops.items()})
