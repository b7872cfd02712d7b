"""What the check of a data set finds, of any kind of data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reid_srdl.data.images import UnreadableError, map_files, read_rgb
from reid_srdl.data.locate import ClassCounts, Counts
from reid_srdl.data.notes import Finding, printable, say_files

# Told the split's name, files read, files in all.
SplitProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One split: what is there, and what officially should be (None: nothing published)."""

    split: str
    counts: Counts | ClassCounts
    official: Counts | ClassCounts | None


@dataclass(frozen=True)
class Sum:
    """The MD5 sum of a file beside the official one."""

    file: str
    md5: str
    official: str


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        name: the data set's name.
        root: the folder that was checked.
        rows: one for each split that is there.
        sums: one for each file that has an official MD5 sum.
        notes: worth knowing; nothing to mend.
        problems: what to mend.
    """

    name: str
    root: Path
    rows: list[Row] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True where the data set is ready to use: nothing to mend."""
        return not self.problems


def check_images(
    report: CheckReport,
    split: str,
    paths: Sequence[Path],
    progress: SplitProgress | None,
    root: Path | None = None,
) -> None:
    """Reads every image of a split; names those that can't be read, notes images of many sizes.

    Args:
        report: takes what is found.
        split: the split's name.
        paths: the images.
        progress: called with (split, images read, images in all).
        root: images are named as seen from here; None: by their file names alone.
    """

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(split, done, total)

    sizes: set[tuple[int, int]] = set()
    unreadable = []
    # Only the size is kept of each image; the pixels go as soon as they are decoded.
    results = map_files(lambda path: read_rgb(path).shape[:2], paths, tell)
    for path, result in zip(paths, results, strict=True):
        if isinstance(result, UnreadableError):
            name = path.relative_to(root).as_posix() if root else path.name
            unreadable.append(f"{printable(name)} ({result})")
        else:
            sizes.add((result[0], result[1]))
    if unreadable:
        report.problems.append(
            Finding(f"{split}: {say_files(unreadable)} can't be read", tuple(unreadable))
        )
    if len(sizes) > 1:
        text = f"{split}: images of {len(sizes):,} sizes, resized when used"
        report.notes.append(Finding(text))
