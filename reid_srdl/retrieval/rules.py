"""Who counts: the rules of person re-identification, Market-1501's and all sets' since.

For a query, gallery images of its identity and its camera are ignored, junk (pid -1) is ignored,
images of its identity by other cameras are its matches, and everything else is a negative, the
distractors (pid 0) too. A query without a match is left out (Zheng et al., Scalable Person
Re-identification: A Benchmark, ICCV 2015, section 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.labels import DISTRACTOR, JUNK, Int64s, Labels


@dataclass(frozen=True)
class SamePid:
    """Every pair of a query and a gallery image of its identity, ordered by query, then gallery.

    Attributes:
        query, image: P positions each, of the query and of the gallery image.
        match: P booleans: a match (another camera), or else ignored (the same camera).
    """

    query: Int64s
    image: Int64s
    match: NDArray[np.bool_]


def counted(gallery: Labels, *, junk_ignored: bool = True) -> Int64s:
    """Returns the gallery positions that count for anyone: not junk, or all of them."""
    return np.flatnonzero((gallery.pids != JUNK) | (not junk_ignored))


def distractors(query: Labels, gallery: Labels) -> Int64s:
    """Returns the gallery positions that are nobody's: pid 0, where no query has that pid."""
    if (query.pids == DISTRACTOR).any():
        return np.empty(0, np.int64)
    return np.flatnonzero(gallery.pids == DISTRACTOR)


class PidIndex:
    """Finds a gallery's images by identity.

    >>> gallery = Labels(np.array([7, 0, 7, 5]), np.array([1, 1, 2, 1]))
    >>> pairs = PidIndex(gallery).same_pid(Labels(np.array([7]), np.array([1])))
    >>> pairs.image.tolist(), pairs.match.tolist()
    ([0, 2], [False, True])
    """

    def __init__(self, gallery: Labels) -> None:
        self._camids = gallery.camids
        self._order = np.argsort(gallery.pids, kind="stable")
        self._sorted = gallery.pids[self._order]

    def sizes(self, pids: Int64s) -> Int64s:
        """Returns how many gallery images each of Q identities has."""
        first = np.searchsorted(self._sorted, pids, "left")
        return np.searchsorted(self._sorted, pids, "right") - first

    def same_pid(self, queries: Labels) -> SamePid:
        """Returns all pairs of one identity between ``queries`` and the gallery."""
        sizes = self.sizes(queries.pids)
        first = np.searchsorted(self._sorted, queries.pids, "left")
        query = np.repeat(np.arange(len(queries)), sizes)
        within = np.arange(len(query)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        image = self._order[np.repeat(first, sizes) + within]
        match = self._camids[image] != queries.camids[query]
        return SamePid(query, image, match)

    def waves(self, queries: Labels, pairs: int) -> Iterator[tuple[int, int]]:
        """Yields (start, stop) of runs of queries with at most ``pairs`` same-pid pairs each.

        A single query with more of them makes a run of its own.
        """
        sizes, start, held = self.sizes(queries.pids), 0, 0
        for position, size in enumerate(sizes.tolist()):
            if held and held + size > pairs:
                yield start, position
                start, held = position, 0
            held += size
        if start < len(queries):
            yield start, len(queries)
