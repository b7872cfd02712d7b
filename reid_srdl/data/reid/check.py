"""Checks a data set: what it holds beside the official counts, and every file that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_srdl.data.check_report import CheckReport, Row, SplitProgress, check_images
from reid_srdl.data.copies import find_copies
from reid_srdl.data.listing import is_litter
from reid_srdl.data.locate import Counts, Entry
from reid_srdl.data.notes import Finding, printable, say_files
from reid_srdl.data.reid import gt_query, market
from reid_srdl.data.reid.crops import DISTRACTOR, JUNK, Crops
from reid_srdl.data.reid.identities import find_nobody_queries
from reid_srdl.data.reid.names import EXAMPLE, Scan, note_nobody, scan


def check_folder(entry: Entry, root: Path, progress: SplitProgress | None = None) -> CheckReport:
    """Checks the data set of a table's row in the folder ``root``."""
    report = CheckReport(entry.name, root)
    scans = {split: scan(root / split) for split in market.SPLITS if (root / split).is_dir()}
    for split in market.SPLITS:
        if split in scans:
            _check_split(report, entry, split, scans[split], progress)
        elif split in market.REQUIRED:
            report.problems.append(Finding(f"{split}: the folder is missing"))
        else:
            report.notes.append(Finding(f"{split}: not there, so no multi-query evaluation"))
    _check_root(report)
    crops = {split: scan.crops for split, scan in scans.items()}
    if market.TRAIN in crops:
        _check_training(report, crops)
    if market.QUERY in crops and market.GALLERY in crops:
        _check_matches(report, crops)
    judged = {split: own.paths for split, own in crops.items() if split != market.BOXES}
    report.notes += find_copies(root, judged)
    if entry.official is not None:
        _check_lists(report, entry.official, crops)
    return report


def count(crops: Crops) -> Counts:
    """Counts a split; junk and distractors are no identities, but their cameras count."""
    return Counts(
        images=len(crops),
        identities=len(np.unique(crops.pids[crops.pids > DISTRACTOR])),
        cameras=len(np.unique(crops.camids)),
        junk=int(np.sum(crops.pids == JUNK)),
        distractors=int(np.sum(crops.pids == DISTRACTOR)),
    )


def _check_split(
    report: CheckReport, entry: Entry, split: str, found: Scan, progress: SplitProgress | None
) -> None:
    counts = count(found.crops)
    official = entry.official.get(split) if entry.official else None
    report.rows.append(Row(split, counts, official))
    if not counts.images:
        report.problems.append(Finding(f"{split}: no images"))
    elif official is not None:
        _compare_counts(report, entry, split, counts, official)
    if found.unexpected:
        are = "is no crop" if len(found.unexpected) == 1 else "are no crops"
        text = f"{split}: {say_files(found.unexpected)} {are} (like {EXAMPLE})"
        report.problems.append(Finding(text, tuple(str(one) for one in found.unexpected)))
    if found.litter:
        text = f"{split}: {say_files(found.litter)} left by a file manager, ignored"
        report.notes.append(Finding(text, found.litter))
    check_images(report, split, found.crops.paths, progress)


def _compare_counts(
    report: CheckReport, entry: Entry, split: str, counts: Counts, official: Counts
) -> None:
    if counts == official:
        if split == market.BOXES:
            report.notes.append(Finding(f"{split}: complete, {counts.images:,} boxes"))
    elif split == market.BOXES and counts == entry.partial_boxes:
        text = "usable, the test identities only, which is all that multi-query evaluation uses"
        report.notes.append(Finding(f"{split}: {counts.images:,} boxes: {text}"))
    else:
        report.problems.append(Finding(f"{split}: {differences(counts, official)}"))


def differences(counts: Counts, official: Counts) -> str:
    """Says in words which counts are not the official ones; nothing where all are."""
    found = [
        f"{there:,} {what} where {should:,} are official"
        for what, there, should in _pairs(counts, official)
        if there != should
    ]
    return ", ".join(found)


def _pairs(counts: Counts, official: Counts) -> list[tuple[str, int, int]]:
    kinds = ("images", "identities", "cameras", "junk", "distractors")
    pairs = ((kind, getattr(counts, kind), getattr(official, kind)) for kind in kinds)
    return [pair for pair in pairs if pair[2] is not None]


def _check_root(report: CheckReport) -> None:
    known = {*market.SPLITS, gt_query.FOLDER, "manifest.json"}
    others = sorted(
        printable(path.name)
        for path in report.root.iterdir()
        if path.name not in known and not is_litter(path.name)
    )
    if others:
        text = f"{say_files(others)} beside the splits, unexpected and not used"
        report.notes.append(Finding(text, tuple(others)))


def _check_training(report: CheckReport, crops: dict[str, Crops]) -> None:
    report.notes += note_nobody(market.TRAIN, crops[market.TRAIN], "not trained on")
    pids = crops[market.TRAIN].pids
    train = set(pids[pids > DISTRACTOR].tolist())
    if len(pids) and len(train) < 2:
        text = f"{market.TRAIN}: {len(train)} identities, where a classifier needs 2 or more"
        report.problems.append(Finding(text))
    for split in (market.QUERY, market.GALLERY):
        shared = train & set(crops[split].pids.tolist()) if split in crops else set()
        if shared:
            text = f"{split}: {len(shared):,} identities are among the training identities too"
            report.notes.append(Finding(text, tuple(f"{pid:04d}" for pid in sorted(shared))))


def _check_matches(report: CheckReport, crops: dict[str, Crops]) -> None:
    """Counts queries without a gallery image of the same identity from another camera."""
    query, gallery = crops[market.QUERY], crops[market.GALLERY]
    report.problems += find_nobody_queries(query)
    cameras: dict[int, set[int]] = {}
    for pid, camid in zip(gallery.pids.tolist(), gallery.camids.tolist(), strict=True):
        cameras.setdefault(pid, set()).add(camid)
    labels = zip(query.paths, query.pids.tolist(), query.camids.tolist(), strict=True)
    lonely = tuple(
        path.name
        for path, pid, camid in labels
        if pid == JUNK or not cameras.get(pid, set()) - {camid}
    )
    if lonely and len(lonely) == len(query):
        report.problems.append(Finding("no query has a match from another camera"))
    elif lonely:
        text = f"{len(lonely):,} queries without a match from another camera, left out of scores"
        report.notes.append(Finding(text, lonely))


def _check_lists(report: CheckReport, official: dict[str, Counts], crops: dict[str, Crops]) -> None:
    folder = report.root / gt_query.FOLDER
    if not folder.is_dir():
        report.notes.append(Finding(f"{gt_query.FOLDER}: not there, rule of cameras not compared"))
        return
    gallery = crops.get(market.GALLERY)
    if gallery is not None and len(gallery) != official[market.GALLERY].images:
        text = f"{gt_query.FOLDER}: not compared, its indices need the complete {market.GALLERY}"
        report.notes.append(Finding(text))
        gallery = None
    nothing = Crops((), np.empty(0, np.int64), np.empty(0, np.int64))
    lists = gt_query.compare(folder, crops.get(market.QUERY, nothing), gallery)
    for text, files in (
        ("queries missing that have lists", lists.missing_queries),
        ("queries whose lists differ from the rule of identity and camera", lists.disagreeing),
        ("lists can't be read", lists.unreadable),
    ):
        if files:
            report.problems.append(Finding(f"{gt_query.FOLDER}: {len(files):,} {text}", files))
    for text, files in (
        ("queries without lists", lists.without_lists),
        ("files that are no lists, ignored", lists.unexpected),
    ):
        if files:
            report.notes.append(Finding(f"{gt_query.FOLDER}: {len(files):,} {text}", files))
    if lists.compared:
        agreeing = lists.compared - len(lists.disagreeing)
        text = f"{agreeing:,} of {lists.compared:,} queries agree with the official lists"
        report.notes.append(Finding(f"{gt_query.FOLDER}: {text}"))
