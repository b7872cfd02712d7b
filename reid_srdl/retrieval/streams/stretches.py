"""A gallery that is never in memory whole: read a stretch at a time, or a row here and there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.arithmetic import exact
from reid_srdl.retrieval.arithmetic.parallel import parts
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.features import FeatureSet, check_finite
from reid_srdl.retrieval.labels import DISTRACTOR, JUNK, Int64s, Labels
from reid_srdl.retrieval.memory.mapped import forget, is_mapped, rows_at
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.rules import SamePid

_VALUES = 1 << 25  # feature values in a stretch: 64 MiB of float16
_LABELS = 1 << 18  # labels looked at together


@dataclass(frozen=True)
class MappedRows(Rows):
    """Rows of a memory-mapped array that are read here and there, checked as they are read.

    Attributes:
        name: what messages call the array.
        normalize: L2-normalise rows as they are read.
    """

    name: str = "features"
    normalize: bool = False

    def take(self, positions: Int64s) -> NDArray[np.float32]:
        """Returns the rows at ``positions`` as P x D float32.

        Raises:
            UserError: some are not finite.
        """
        source = positions if self.index is None else self.index[positions]
        rows = rows_at(self.features, source).astype(np.float32, copy=False)
        if not np.isfinite(rows).all():
            check_finite(self.name, self.features)
        return exact.normalized(rows) if self.normalize else rows


def read_rows(features: NDArray[Any], name: str, *, normalize: bool) -> Rows:
    """Returns all rows of N x D ``features``; memory-mapped ones are read when they are taken."""
    if is_mapped(features):
        return MappedRows(features, name=name, normalize=normalize)
    return rows_of(features, normalize=normalize)


@dataclass(frozen=True)
class Stretch:
    """Some consecutive gallery images.

    Attributes:
        start, stop: their positions.
        kept: the positions of those that count, ascending; None: all.
    """

    start: int
    stop: int
    kept: Int64s | None

    def __len__(self) -> int:
        return self.stop - self.start if self.kept is None else len(self.kept)

    def rows(self, features: NDArray[np.float32], *, normalize: bool) -> Rows:
        """Returns the images that count; ``features`` are this stretch's, all of them."""
        rows = rows_of(features, normalize=normalize)
        return rows if self.kept is None else rows.select(self.kept - self.start)

    def targets(self, targets: Targets) -> Targets:
        """Returns the matches of the whole gallery as seen from here.

        Their positions, which decide between equal distances, become -1 ahead of this stretch, and
        its length behind it.
        """
        same = targets.same
        here = (same.image >= self.start) & (same.image < self.stop)
        own = SamePid(same.query[here], self._local(same.image[here]), same.match[here])
        image = self._local(targets.image)
        image[targets.image < self.start] = -1
        image[targets.image >= self.stop] = len(self)
        return dataclasses.replace(targets, same=own, image=image)

    def _local(self, positions: Int64s) -> Int64s:
        if self.kept is None:
            return positions - self.start
        return np.searchsorted(self.kept, positions)


@dataclass
class Stream:
    """A gallery that is never in memory whole.

    Attributes:
        images: all of them, with junk.
        normalize: L2-normalise features.
        junk_ignored: images of pid -1 count for nobody.
        name: what messages call its features.
        directionless: of each stretch that was read, by its start, the rows of zeros among those
            that are to be L2-normalised.
    """

    images: FeatureSet
    normalize: bool
    junk_ignored: bool
    name: str = "gallery_features"
    directionless: dict[int, int] = field(default_factory=dict)

    def relevant(self, pids: Int64s) -> tuple[Int64s, Labels]:
        """Returns the positions of the images of these identities, and their labels."""
        wanted = np.unique(pids)
        if self.junk_ignored:
            wanted = wanted[wanted != JUNK]
        found = []
        for start, stop in parts(len(self.images), _LABELS):
            pids = np.asarray(self.images.pids[start:stop], np.int64)
            here = np.flatnonzero(np.isin(pids, wanted))
            camids = np.asarray(self.images.camids[start:stop][here], np.int64)
            found.append((here + start, pids[here], camids))
            forget(self.images.pids)
            forget(self.images.camids)
        positions, pids, camids = (np.concatenate(side) for side in zip(*found, strict=True))
        return positions, Labels(pids, camids)

    def rows(self, positions: Int64s) -> Rows:
        """Returns the rows at these positions, to be read here and there."""
        return MappedRows(self.images.features, positions, name=self.name, normalize=self.normalize)

    def stretches(self, rank: int, size: int) -> list[tuple[int, int]]:
        """Returns (start, stop) of this process's stretches; they are dealt out in turn."""
        return parts(len(self.images), stretch_rows(self.images), size)[rank::size]

    def stretch(self, start: int, stop: int) -> Stretch:
        """Returns a stretch, its labels read."""
        if not self.junk_ignored:
            return Stretch(start, stop, None)
        kept = start + np.flatnonzero(self.images.pids[start:stop] != JUNK)
        forget(self.images.pids)
        return Stretch(start, stop, kept if len(kept) < stop - start else None)


def stretch_rows(part: FeatureSet) -> int:
    """Returns how many images a stretch of a gallery has at most."""
    return min(len(part), max(1, _VALUES // int(part.features.shape[1])))


def count_distractors(query: Labels, pids: NDArray[Any]) -> int:
    """Counts the gallery images that `rules.distractors` finds, a part at a time."""
    if (query.pids == DISTRACTOR).any():
        return 0
    count = 0
    for start, stop in parts(len(pids), _LABELS):
        count += int(np.count_nonzero(np.asarray(pids[start:stop]) == DISTRACTOR))
        forget(pids)
    return count
