"""Checks images of people as their owner has them: what there is, and what will disturb scores."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from reid_srdl.data.check_report import CheckReport, Row, SplitProgress, check_images
from reid_srdl.data.copies import find_copies
from reid_srdl.data.notes import Finding, printable
from reid_srdl.data.people.folders import Patterns
from reid_srdl.data.people.reader import data_of, load, split_table
from reid_srdl.data.people.rows import NONE, SPLITS, Table
from reid_srdl.data.reid.check import count
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.data.reid.identities import find_nobody_queries
from reid_srdl.errors import UserError


def check_people(
    name: str, place: Path, patterns: Patterns, progress: SplitProgress | None = None
) -> CheckReport:
    """Checks a folder of persons or a table: every row, every image, and images that stand twice.

    Args:
        name: the data set's name.
        place: the folder, or the table.
        patterns: what paths tell.
        progress: called with (split, images read, images in all).
    """
    report = CheckReport(name, place)
    try:
        table, drawn = split_table(place, patterns)
        data = data_of(name, table, drawn=drawn)
    except UserError as error:
        report.problems.append(Finding(f"{error.what}; {error.hint}"))
        return report
    report.notes += data.notes
    report.problems += find_nobody_queries(data.query)
    for split, crops in _splits(data).items():
        report.rows.append(Row(split, count(crops), None))
        check_images(report, split, crops.paths, progress, _root(data, crops))
    try:
        load(name, place, patterns)
    except UserError as error:
        report.problems.append(Finding(f"{error.what}; {error.hint}"))
    report.notes += _singletons(table)
    report.notes += _cameras(table)
    report.problems += _copies(table)
    return report


def _splits(data: ReidData) -> dict[str, Crops]:
    parts = (data.train, data.query, data.gallery, data.boxes)
    found = zip(SPLITS, parts, strict=True)
    return {split: crops for split, crops in found if crops is not None and len(crops)}


def _root(data: ReidData, crops: Crops) -> Path | None:
    return data.root if all(path.is_relative_to(data.root) for path in crops.paths) else None


def _singletons(table: Table) -> list[Finding]:
    """Names the persons with one image, whom no query can find."""
    images = np.bincount(table.persons[table.persons != NONE], minlength=len(table.person_names))
    names = tuple(printable(table.person_names[person]) for person in np.flatnonzero(images == 1))
    text = f"{len(names):,} persons with one image"
    return [Finding(text, names)] if names else []


def _cameras(table: Table) -> list[Finding]:
    """Says of how many images the camera is not known, and where there is one camera alone."""
    unknown = np.flatnonzero((table.cameras == NONE) & (table.persons != NONE))
    if not len(unknown) and len(table.camera_names) == 1:
        text = "all images are by one camera: no query has a match, but by eval.same_camera=keep"
        return [Finding(text)]
    if not len(unknown):
        return []
    if not table.camera_names:
        text = "no camera is known: matches count whatever camera they are by"
        return [Finding(f"{text} (eval.same_camera keep)")]
    return [Finding(f"{len(unknown):,} images of unknown cameras", table.named(unknown))]


def _copies(table: Table) -> list[Finding]:
    """Names images whose very bytes stand in several splits."""
    rows = np.flatnonzero(table.splits != NONE).tolist()
    splits: dict[str, list[Path]] = defaultdict(list)
    for row in rows:
        splits[SPLITS[table.splits[row]]].append(table.root / table.paths[row])
    return find_copies(table.root, splits)
