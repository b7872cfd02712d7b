"""Checks a data set by what its reader returns, for layouts other than Market-1501's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_srdl.data.check_report import CheckReport, Row, SplitProgress, check_images
from reid_srdl.data.locate import Entry
from reid_srdl.data.notes import Finding
from reid_srdl.data.reid.check import count, differences
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.identities import find_nobody_queries
from reid_srdl.errors import UserError

Reader = Callable[[str, Path, int], ReidData]


def check_read(
    entry: Entry, reader: Reader, root: Path, progress: SplitProgress | None = None
) -> CheckReport:
    """Checks a data set: every split read and counted, every image decoded once.

    Args:
        entry: the data set.
        reader: reads one split of it.
        root: its folder.
        progress: called with (split, images read, images in all).
    """
    report = CheckReport(entry.name, root)
    read: set[Path] = set()
    for split in range(entry.splits):
        try:
            data = reader(entry.name, root, split)
        except UserError as error:
            report.problems.append(Finding(f"{error.what}; {error.hint}"))
            return report
        if split == 0:
            report.notes += data.notes
            report.problems += find_nobody_queries(data.query)
        for part, crops in (
            ("train", data.train),
            ("query", data.query),
            ("gallery", data.gallery),
        ):
            counts, official = count(crops), (entry.official or {}).get(part)
            if split == 0:
                report.rows.append(Row(part, counts, official))
            if official is not None and (found := differences(counts, official)):
                which = f"{part}, split {split}" if entry.splits > 1 else part
                report.problems.append(Finding(f"{which}: {found}"))
            unread = [path for path in crops.paths if path not in read]
            read.update(unread)
            if unread:
                check_images(report, part, unread, progress, root if _below(unread, root) else None)
    if entry.splits > 1:
        report.notes.append(Finding(f"{entry.splits} splits, counted above: the first"))
    return report


def _below(paths: list[Path], root: Path) -> bool:
    return paths[0].is_relative_to(root)
