"""Galleries larger than memory, or shared out among processes: counted a stretch at a time.

Counts add up over stretches of the gallery (see `counting.counter`), so any engine that counts a
gallery in memory counts one of any length: it is handed a stretch and the matches of the whole
gallery, and its slots are added. What is kept between stretches grows with the matches alone:
labels are read a stretch at a time as well, and a match's distance needs its own row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting import exact
from reid_srdl.retrieval.counting.parallel import parts
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.features import FeatureSet, check_finite, rows_not_finite
from reid_srdl.retrieval.mapped import expect, forget, is_mapped, rows_at
from reid_srdl.retrieval.protocol import JUNK, Int64s, Labels, SamePid
from reid_srdl.retrieval.ranks import Engine, Ranks, match_ranks
from reid_srdl.retrieval.rows import Rows, rows_of
from reid_srdl.retrieval.sharding import Group

_VALUES = 1 << 25  # feature values in a stretch: 64 MiB of float16
_LABELS = 1 << 18  # labels looked at together

Advance = Callable[[int], None]


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
        here = (same.gallery >= self.start) & (same.gallery < self.stop)
        own = SamePid(same.query[here], self._local(same.gallery[here]), same.match[here])
        gallery = self._local(targets.gallery)
        gallery[targets.gallery < self.start] = -1
        gallery[targets.gallery >= self.stop] = len(self)
        return dataclasses.replace(targets, same=own, gallery=gallery)

    def _local(self, positions: Int64s) -> Int64s:
        if self.kept is None:
            return positions - self.start
        return np.searchsorted(self.kept, positions)


@dataclass
class StreamedGallery:
    """A gallery that is never in memory whole.

    Attributes:
        part: its images, with junk.
        normalize: L2-normalise features.
        junk_ignored: images of pid -1 count for nobody.
        name: what messages call its features.
    """

    part: FeatureSet
    normalize: bool
    junk_ignored: bool
    name: str = "gallery_features"

    def relevant(self, pids: Int64s) -> tuple[Int64s, Labels]:
        """Returns the positions of the images of these identities, and their labels."""
        wanted = np.unique(pids)
        if self.junk_ignored:
            wanted = wanted[wanted != JUNK]
        found = []
        for start, stop in parts(len(self.part), _LABELS):
            pids = np.asarray(self.part.pids[start:stop], np.int64)
            here = np.flatnonzero(np.isin(pids, wanted))
            camids = np.asarray(self.part.camids[start:stop][here], np.int64)
            found.append((here + start, pids[here], camids))
            forget(self.part.pids)
            forget(self.part.camids)
        positions, pids, camids = (np.concatenate(side) for side in zip(*found, strict=True))
        return positions, Labels(pids, camids)

    def rows(self, positions: Int64s) -> Rows:
        """Returns the rows at these positions, to be read here and there."""
        return MappedRows(self.part.features, positions, name=self.name, normalize=self.normalize)

    def stretches(self, rank: int, size: int) -> list[tuple[int, int]]:
        """Returns (start, stop) of this process's stretches; they are dealt out in turn."""
        rows = max(1, _VALUES // self.part.features.shape[1])
        return parts(len(self.part), rows, size)[rank::size]

    def stretch(self, start: int, stop: int) -> Stretch:
        """Returns a stretch, its labels read."""
        if not self.junk_ignored:
            return Stretch(start, stop, None)
        kept = start + np.flatnonzero(self.part.pids[start:stop] != JUNK)
        forget(self.part.pids)
        return Stretch(start, stop, kept if len(kept) < stop - start else None)


@dataclass
class StreamedEngine:
    """Counts a gallery a stretch at a time, and only this process's share of it.

    The gallery that it is asked about is the relevant part of the streamed one (see
    `StreamedGallery.relevant`); what it counts is the whole.

    Attributes:
        engine: who counts a stretch.
        gallery: the streamed gallery.
        positions: where the relevant images stand in it.
        group: the processes that share the work.
        whole: told of the whole gallery's pairs, all processes', as far as this one is with its
            share.
    """

    engine: Engine
    gallery: StreamedGallery
    positions: Int64s
    group: Group
    whole: Advance | None = None

    def slots(
        self, queries: Rows, gallery: Rows, targets: Targets, progress: Advance | None = None
    ) -> Int64s:
        """Returns the M matches' slots over the whole gallery, all processes' added.

        Raises:
            UserError: features are not finite, or another process has failed or was lost.
        """
        whole = dataclasses.replace(
            targets,
            same=dataclasses.replace(targets.same, gallery=self.positions[targets.same.gallery]),
            gallery=self.positions[targets.gallery],
        )
        slots = np.zeros(len(targets.query), np.int64)
        shares = self.gallery.stretches(self.group.rank, self.group.size)
        features = self.gallery.part.features
        share = _Share(len(queries), len(features), sum(b - a for a, b in shares), self.whole)
        for number, (start, stop) in enumerate(shares):
            self.group.check()
            if number + 1 < len(shares):
                expect(features[slice(*shares[number + 1])])
            here = features[start:stop]
            if is_mapped(features) and rows_not_finite(here):
                check_finite(self.gallery.name, features)
            stretch = self.gallery.stretch(start, stop)
            if len(stretch):
                rows = stretch.rows(here, normalize=self.gallery.normalize)
                slots += self.engine.slots(queries, rows, stretch.targets(whole), self._told(share))
            share.reach(stop - start)
            forget(features)
        share.end()
        return self.group.summed(slots)

    def _told(self, share: _Share) -> Advance:
        def told(pairs: int) -> None:
            self.group.check()
            share.add(pairs)

        return told


@dataclass(frozen=True)
class StreamedRanker:
    """Ranks exactly, in a gallery that is streamed; see `StreamedEngine`."""

    engine: Engine
    gallery: StreamedGallery
    positions: Int64s
    group: Group

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches; ``gallery`` is the relevant part."""
        total, done = len(queries) * len(self.gallery.part), 0

        def advance(pairs: int) -> None:
            nonlocal done
            done += pairs
            if progress:
                progress(done, total)

        engine = StreamedEngine(self.engine, self.gallery, self.positions, self.group, advance)
        yield from match_ranks(queries, query_labels, gallery, gallery_labels, engine)
        if done < total:  # queries without a match
            advance(total - done)

    def told(self) -> dict[str, str]:
        """Nothing: exact ranks over the whole gallery are the rule."""
        return {}


class _Share:
    """Tells progress over all processes' pairs from this one's."""

    def __init__(self, queries: int, gallery: int, own: int, progress: Advance | None) -> None:
        self._total, self._own = queries * gallery, queries * own
        self._queries, self._progress = queries, progress
        self._done = self._told = self._reached = 0

    def add(self, pairs: int) -> None:
        """``pairs`` more of this process's are done."""
        self._tell(self._done + pairs)

    def reach(self, images: int) -> None:
        """A stretch of so many images is done, those that do not count too."""
        self._reached += images * self._queries
        self._tell(self._reached)

    def end(self) -> None:
        """This process's share is done."""
        self._own = 0
        self._tell(self._reached)

    def _tell(self, done: int) -> None:
        self._done = done
        told = self._total * done // self._own if self._own else self._total
        if self._progress and told > self._told:
            self._progress(told - self._told)
        self._told = max(told, self._told)
