"""Checks any data set by its name."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.data import PEOPLE, Patterns, find_entry
from reid_srdl.data.check_report import CheckReport, SplitProgress
from reid_srdl.data.classes.check import check_classes
from reid_srdl.data.locate import find_place
from reid_srdl.data.people.check import check_people
from reid_srdl.data.reid.check import check_folder
from reid_srdl.data.reid.check_read import check_read
from reid_srdl.data.reid.table import READERS


def check_dataset(
    name: str,
    data_dir: Path | None,
    progress: SplitProgress | None = None,
    patterns: Patterns | None = None,
) -> CheckReport:
    """Checks a data set: its counts, its files, every image.

    Args:
        name: a name in DATASETS.
        data_dir: as in :func:`reid_srdl.data.load_dataset`.
        progress: called with (split, images read, images in all).
        patterns: of ``people``: what an image's path tells of its camera and person.

    Raises:
        UserError: the data set is not there at all; all else is in the report.
    """
    entry = find_entry(name)
    place = find_place(entry, data_dir)
    if entry.task == "classification":
        return check_classes(entry, place, progress)
    if name == PEOPLE:
        return check_people(name, place.root, patterns or Patterns(), progress)
    if name in READERS:
        return check_read(entry, READERS[name], place.root, progress)
    return check_folder(entry, place.root, progress)
