"""The ranks of the true matches: rank = matches up to it + counted negatives ahead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reid_srdl.retrieval.counting.counter import running
from reid_srdl.retrieval.counting.matches import find_targets
from reid_srdl.retrieval.counting.targets import Targets
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.rules import PidIndex, counted

_PAIRS = 1 << 22  # same-identity pairs held at once
UNRETRIEVED = 1 << 62  # the rank of a match that an approximate search did not retrieve


class Engine(Protocol):
    """Whatever can tell how many negatives are ahead of each match."""

    def slots(
        self,
        queries: Rows,
        images: Rows,
        targets: Targets,
        progress: Callable[[int], None] | None = None,
    ) -> Int64s:
        """Returns the M matches' slots (see `counter`); reports pairs done to ``progress``."""


class Ranker(Protocol):
    """Whatever ranks the matches of some queries; by default `evaluation.exact.ExactRanker`."""

    @property
    def independent(self) -> bool:
        """Whether a query's ranks depend on no other query, to the bit."""

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        images: Rows,
        image_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches in a gallery without junk; see `match_ranks`."""

    def told(self) -> dict[str, str]:
        """Returns the fields of `result.Rules` that say how this ranker departs from exact."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of some queries' matches.

    Attributes:
        query: Q positions of queries that have a match.
        offsets: Q + 1; query[i] has ranks offsets[i] to offsets[i + 1].
        ranks: M ranks from 1, ascending within a query, ignored images left out; UNRETRIEVED for
            matches that an approximate search missed.
        gallery: their M gallery positions; matches that rounding alone tells apart may have
            changed places.
    """

    query: Int64s
    offsets: Int64s
    ranks: Int64s
    gallery: Int64s

    def divided(self, stops: Sequence[int]) -> Iterator[Ranks]:
        """Yields the ranks of the queries up to each of ``stops``, numbered from the one before."""
        start = first = 0
        for stop in stops:
            last = int(np.searchsorted(self.query, stop))
            low, high = self.offsets[first], self.offsets[last]
            yield Ranks(
                self.query[first:last] - start,
                self.offsets[first : last + 1] - low,
                self.ranks[low:high],
                self.gallery[low:high],
            )
            start, first = stop, last


def match_ranks(
    queries: Rows,
    query_labels: Labels,
    gallery: Rows,
    gallery_labels: Labels,
    engine: Engine,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Ranks]:
    """Yields the ranks of all matches, for a run of queries at a time (usually one run).

    Args:
        queries, query_labels: the queries.
        gallery, gallery_labels: the gallery, only images that count.
        engine: who counts.
        progress: called with (pairs of query and gallery image done, pairs in all).
    """
    index = PidIndex(gallery_labels)
    total, done = len(queries) * len(gallery), 0

    def advance(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress:
            progress(done, total)

    for start, stop in index.waves(query_labels, _PAIRS):
        positions = np.arange(start, stop)
        same = index.same_pid(query_labels.take(positions))
        matched = positions[np.unique(same.query[same.match])]
        advance((stop - start - len(matched)) * len(gallery))
        if not len(matched):
            continue
        same = index.same_pid(query_labels.take(matched))
        chosen = queries.select(matched)
        targets = find_targets(chosen, gallery, same)
        slots = engine.slots(chosen, gallery, targets, advance)
        order = np.arange(len(slots)) - targets.offsets[targets.query]
        ranks = 1 + order + running(slots, targets.offsets)
        yield Ranks(matched, targets.offsets, ranks, targets.image)


def without_junk(
    gallery: Rows, labels: Labels, *, junk_ignored: bool = True
) -> tuple[Rows, Labels]:
    """Returns the gallery rows that count, in their order, and their labels."""
    kept = counted(labels, junk_ignored=junk_ignored)
    if len(kept) == len(labels):
        return gallery, labels
    return gallery.select(kept), labels.take(kept)
