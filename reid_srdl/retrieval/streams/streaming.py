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
from typing import ClassVar

import numpy as np

from reid_srdl.group.processes import Group
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.features import check_finite, rows_not_finite
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.memory import heap
from reid_srdl.retrieval.memory.mapped import expect, forget, is_mapped
from reid_srdl.retrieval.ranks import Engine, Ranks, match_ranks
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.streams.stretches import Stream

Advance = Callable[[int], None]


@dataclass
class StreamedEngine:
    """Counts a stream a stretch at a time, and only this process's share of it.

    It is asked about the relevant images of the stream alone (see `Stream.relevant`); what it
    counts is the whole.

    Attributes:
        engine: who counts a stretch.
        stream: the whole gallery.
        positions: where the relevant images stand in it.
        group: the processes that share the work.
        whole: told of all processes' pairs, as far as this one is with its share.
    """

    engine: Engine
    stream: Stream
    positions: Int64s
    group: Group
    whole: Advance | None = None

    def slots(
        self, queries: Rows, images: Rows, targets: Targets, progress: Advance | None = None
    ) -> Int64s:
        """Returns the M matches' slots over the whole gallery, all processes' added.

        Raises:
            UserError: features are not finite, or another process has failed or was lost.
        """
        whole = dataclasses.replace(
            targets,
            same=dataclasses.replace(targets.same, image=self.positions[targets.same.image]),
            image=self.positions[targets.image],
        )
        slots = np.zeros(len(targets.query), np.int64)
        shares = self.stream.stretches(self.group.rank, self.group.size)
        features = self.stream.images.features
        share = _Share(len(queries), len(features), sum(b - a for a, b in shares), self.whole)
        for number, (start, stop) in enumerate(shares):
            self.group.check()
            if number + 1 < len(shares):
                expect(features[slice(*shares[number + 1])])
            here = features[start:stop]
            if is_mapped(features) and rows_not_finite(here):
                check_finite(self.stream.name, features)
            stretch = self.stream.stretch(start, stop)
            if len(stretch):
                rows = stretch.rows(here, normalize=self.stream.normalize)
                self.stream.directionless[start] = rows.directionless()
                slots += self.engine.slots(queries, rows, stretch.targets(whole), self._told(share))
            share.reach(stop - start)
            forget(features)
            heap.give_back()
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

    independent: ClassVar[bool] = True

    engine: Engine
    stream: Stream
    positions: Int64s
    group: Group

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        images: Rows,
        image_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches; ``images`` are the relevant ones alone."""
        total, done = len(queries) * len(self.stream.images), 0

        def advance(pairs: int) -> None:
            nonlocal done
            done += pairs
            if progress:
                progress(done, total)

        engine = StreamedEngine(self.engine, self.stream, self.positions, self.group, advance)
        yield from match_ranks(queries, query_labels, images, image_labels, engine)
        if done < total:  # queries without a match
            advance(total - done)

    def told(self) -> dict[str, str]:
        """Nothing: exact ranks over the whole gallery are the rule."""
        return {}


class _Share:
    """Tells progress over all processes' pairs from this one's."""

    def __init__(self, queries: int, images: int, own: int, progress: Advance | None) -> None:
        self._total, self._own = queries * images, queries * own
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
