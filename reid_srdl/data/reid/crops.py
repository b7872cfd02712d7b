"""The parts of a re-identification data set, as lists of person crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

JUNK = -1  # pid of a box that is nobody's: ignored by the protocol
DISTRACTOR = 0  # pid of a false detection: stays in the gallery as a negative


@dataclass(frozen=True)
class Crops:
    """One split: N person crops with their labels.

    Attributes:
        paths: the N image files.
        pids: N identities, int64 (-1 junk, 0 distractor).
        camids: N cameras, int64, as the data set numbers them (from 1).
    """

    paths: tuple[Path, ...]
    pids: NDArray[np.int64]
    camids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, keep: NDArray[np.bool_]) -> Crops:
        """Returns the crops where ``keep`` (N booleans) is true, in their order."""
        paths = tuple(path for path, kept in zip(self.paths, keep, strict=True) if kept)
        return Crops(paths, self.pids[keep], self.camids[keep])


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
    """

    name: str
    root: Path
    train: Crops
    query: Crops
    gallery: Crops
    boxes: Crops | None
