"""The parts of a re-identification data set, as lists of person crops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.data.notes import Finding
from reid_srdl.data.people.rows import Table

# What these two identities mean in every split of every data set. Neither is a person.
#
#               -1, junk                      0, a distractor
# training      left out, with a note         left out, with a note
# query         never scored, with a note     refused: it can have no match
# gallery       ignored for every query       a negative for every query
# boxes         pooled into no query          pooled into no query
#
# What ``--distractors`` adds to a gallery is 0 throughout, whatever its file names say.
JUNK = -1
DISTRACTOR = 0
UNKNOWN_CAMERA = -2


@dataclass(frozen=True)
class Crops:
    """One split: N person crops with their labels.

    Attributes:
        paths: the N image files.
        pids: N identities, int64 (-1 junk, 0 distractor).
        camids: N cameras, int64, as the data set numbers them (from 1); -2 where it is not known.
    """

    paths: Sequence[Path]
    pids: NDArray[np.int64]
    camids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, keep: NDArray[np.bool_]) -> Crops:
        """Returns the crops where ``keep`` (N booleans) is true, in their order."""
        if keep.all():
            return self
        paths = tuple(path for path, kept in zip(self.paths, keep, strict=True) if kept)
        return Crops(paths, self.pids[keep], self.camids[keep])


@dataclass(frozen=True)
class Packed:
    """Images that were taken out of a few files, whose bytes are what counts of them.

    Attributes:
        files: the files.
        folder: where the images were written to, in the cache.
    """

    files: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True)
class ReidData:
    """A data set ready for training and evaluation.

    Attributes:
        name: the data set's name in the table, e.g. ``market1501``.
        root: the folder that the splits were read from.
        train: labelled crops of the training identities, without junk.
        query: the queries.
        gallery: what the queries are searched in, with junk and distractors.
        boxes: hand-drawn boxes for multi-query (``gt_bbox``), or None where there are none.
        notes: what was left out, counted and named.
        packed: where the set's own images were taken from, if they are no files of the set.
        parts: the sets that it joins, see `data.reid.joint`; none: it is one set.
        persons, cameras: names of the identities and cameras from 1; none: their numbers are these.
        drawn: its images, where their split was drawn.
    """

    name: str
    root: Path
    train: Crops
    query: Crops
    gallery: Crops
    boxes: Crops | None
    notes: tuple[Finding, ...] = ()
    packed: Packed | None = None
    parts: tuple[ReidData, ...] = ()
    persons: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    drawn: Table | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The C training identities as text, in the order of a classifier's labels."""
        return tuple(map(self.person, np.unique(self.train.pids).tolist()))

    def person(self, pid: int) -> str:
        """Returns an identity's name."""
        return self.persons[pid - 1] if self.persons and pid > DISTRACTOR else str(pid)

    def camera(self, camid: int) -> str:
        """Returns a camera's name."""
        return self.cameras[camid - 1] if self.cameras and camid > 0 else str(camid)

    def numbers(self, persons: Iterable[str]) -> NDArray[np.int64]:
        """Returns identities by their names, int64."""
        if not self.persons:
            return np.array([int(name) for name in persons], np.int64)
        known = {name: pid for pid, name in enumerate(self.persons, start=1)}
        return np.array([known[name] for name in persons], np.int64)

    def training_crops(self, persons: Iterable[str]) -> tuple[Crops, NDArray[np.bool_]]:
        """Returns the training crops of some persons, in their order; and which of all they are."""
        kept = np.isin(self.train.pids, self.numbers(persons))
        return self.train.select(kept), kept
