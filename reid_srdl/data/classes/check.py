"""Checks a classification data set: counts, sums, every image, every file that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.archive import md5_of
from reid_srdl.data.check_report import (
    CheckReport,
    Row,
    SplitProgress,
    Sum,
    check_images,
)
from reid_srdl.data.classes import cifar, folders, mnist, tiny
from reid_srdl.data.classes.folders import ClassScan, Problem
from reid_srdl.data.copies import find_copies
from reid_srdl.data.locate import ClassCounts, Entry, Place
from reid_srdl.data.notes import Finding
from reid_srdl.errors import UserError


def check_classes(entry: Entry, place: Place, progress: SplitProgress | None = None) -> CheckReport:
    """Checks a classification data set: counts beside the official ones, sums, every image.

    Args:
        entry: the table's row.
        place: where the set was found.
        progress: called with (split or file, pieces read, pieces in all).
    """
    report = CheckReport(entry.name, place.root)
    try:
        if entry.name in cifar.FILES:
            _check_cifar(report, entry, progress)
        elif entry.name == "mnist":
            _check_mnist(report, entry, progress)
        elif entry.name == "tiny-imagenet":
            found = tiny.read_contents(place.root)
            _check_splits(
                report, entry, {"train": found.train, "val": found.val}, found.problems, progress
            )
        else:
            scans = folders.scan_splits(place.root, progress)
            report.notes += folders.note_unread(entry.name, place.root)
            _check_splits(report, entry, scans, folders.find_problems(scans), progress)
    except UserError as error:  # a part is missing, so that nothing more can be told
        report.problems.append(Finding(error.what))
    archives = [place.root / name for name in entry.md5 if (place.root / name).is_file()]
    if place.archive is not None and entry.md5:
        archives.append(place.archive)
    for archive in archives:
        _check_archive(report, entry, archive, progress)
    return report


def _check_cifar(report: CheckReport, entry: Entry, progress: SplitProgress | None) -> None:
    files = cifar.FILES[entry.name]
    done = 0
    for split, batches in (("train", files.train), ("test", files.test), ("", (files.meta,))):
        labels: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        for batch in batches:
            labels.append(_check_batch(report, files, report.root / batch))
            done += 1
            if progress is not None:
                progress(entry.name, done, len(files.md5))
        if split:
            _add_row(report, entry, split, np.concatenate(labels))


def _check_batch(report: CheckReport, files: cifar.Files, path: Path) -> NDArray[np.int64]:
    """Returns the labels of a batch, none where it can't be read or is the file of names."""
    if path.is_file():
        report.sums.append(Sum(path.name, md5_of(path), files.md5[path.name]))
    try:
        if path.name == files.meta:
            cifar.read_names(path, files)
        else:
            return cifar.read_batch(path, files)[1]
    except UserError as error:
        report.problems.append(Finding(error.what.removeprefix(f"{path.parent}/")))
    return np.empty(0, np.int64)


def _check_mnist(report: CheckReport, entry: Entry, progress: SplitProgress | None) -> None:
    for done, (split, names) in enumerate(mnist.SPLITS.items(), 1):
        labels = np.empty(0, np.int64)
        try:
            pixels, classes = (mnist.find(report.root, name) for name in names)
            report.sums += [Sum(f.path.name, f.md5, f.official) for f in (pixels, classes)]
            labels = mnist.read_split(pixels, classes)[1]
        except UserError as error:
            report.problems.append(Finding(error.what.removeprefix(f"{report.root}/")))
        if progress is not None:
            progress(entry.name, 2 * done, len(mnist.MD5))
        _add_row(report, entry, split, labels)


def _check_splits(
    report: CheckReport,
    entry: Entry,
    scans: dict[str, ClassScan],
    problems: list[Problem],
    progress: SplitProgress | None,
) -> None:
    report.problems += [Finding(problem.text, problem.names) for problem in problems]
    report.notes += folders.note_hidden(scans)
    for split, scan in scans.items():
        _add_row(report, entry, split, scan.labels)
        check_images(report, split, scan.files, progress, report.root)
    if entry.own:
        report.notes += find_copies(report.root, {split: own.files for split, own in scans.items()})


def _add_row(report: CheckReport, entry: Entry, split: str, labels: NDArray[np.int64]) -> None:
    counts = ClassCounts(len(labels), len(np.unique(labels)))
    official = (entry.official_classes or {}).get(split)
    report.rows.append(Row(split, counts, official))
    if official is not None and counts != official:
        differences = [
            f"{there:,} {what} where {should:,} are official"
            for what, there, should in (
                ("images", counts.images, official.images),
                ("classes", counts.classes, official.classes),
            )
            if there != should
        ]
        report.problems.append(Finding(f"{split}: {', '.join(differences)}"))


def _check_archive(
    report: CheckReport, entry: Entry, archive: Path, progress: SplitProgress | None
) -> None:
    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(f"{archive.name} (MiB)", done, total)

    official = entry.md5.get(archive.name, next(iter(entry.md5.values())))
    found = md5_of(archive, tell)
    report.sums.append(Sum(archive.name, found, official))
    if found != official:
        # What counts is what it holds, and that is checked above.
        text = f"{archive.name}: not the official archive, another's MD5 sum"
        report.notes.append(Finding(text))
