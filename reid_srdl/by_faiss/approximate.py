"""Approximate search: any index that FAISS's factory builds, and scores of what it retrieves.

An approximate index answers with a list of N images, so scores are those of the list: average
precision is truncated (a match that was not retrieved adds 0, and the mean still runs over all n
matches), and so is CMC beyond N. Junk and images of the query's identity and camera are left out of
the list before it is cut to N, as in the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reid_srdl.by_faiss.building import BuiltIndex, build_index
from reid_srdl.errors import UserError
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.lists import RankList
from reid_srdl.retrieval.ranks import UNRETRIEVED, Ranks
from reid_srdl.retrieval.rows import Rows
from reid_srdl.retrieval.rules import PidIndex

_ANSWERS = 1 << 20  # list entries asked for at once


@dataclass(frozen=True)
class Retrieved:
    """The first N images that count for Q queries.

    Attributes:
        positions: Q x L gallery positions, -1 where there is none, in the order retrieved.
        distances: Q x L, as the index tells them.
        rank: Q x L ranks from 1; 0 for what does not count or stands beyond N.
        match: Q x L, whether each ranked image is a match.
    """

    positions: Int64s
    distances: NDArray[np.float32]
    rank: Int64s
    match: NDArray[np.bool_]


def retrieve(
    built: BuiltIndex,
    queries: Rows,
    query_labels: Labels,
    gallery_labels: Labels,
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Retrieved, float]:
    """Returns the first ``count`` images that count for each query, and the seconds of searching.

    FAISS is asked for as many more as any query has images of its own identity and camera.
    """
    same = PidIndex(gallery_labels).same_pid(query_labels)
    ignored = np.bincount(same.query[~same.match], minlength=len(queries))
    length = min(count + int(ignored.max(initial=0)), len(gallery_labels))
    step, seconds = max(1, _ANSWERS // length), 0.0
    parts, told = [], []
    for first in range(0, len(queries), step):
        rows = np.ascontiguousarray(queries.block(first, min(first + step, len(queries))))
        start = time.perf_counter()
        distances, positions = built.index.search(rows, length)
        seconds += time.perf_counter() - start
        parts.append(positions)
        told.append(distances)
        if progress:
            progress(min(first + step, len(queries)), len(queries))
    answers = np.concatenate(parts), np.concatenate(told)
    return _counted(*answers, query_labels, gallery_labels, count), seconds


@dataclass
class ApproximateRanker:
    """Ranks within the first N images that an approximate index retrieves.

    Attributes:
        name: the index, see `build_index`.
        retrieved: N.
        gpu: let a GPU answer, where FAISS sees one.
    """

    independent: ClassVar[bool] = False  # sums may be other ones among other queries

    name: str
    retrieved: int
    gpu: bool = False
    _built: tuple[Rows, BuiltIndex] | None = field(default=None, init=False)

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches, UNRETRIEVED for those that the index missed.

        Raises:
            UserError: the index can't be built, or N is above the gallery.
        """
        check_count(self.retrieved, len(gallery))
        if not len(queries):
            return
        labels = query_labels, gallery_labels
        found, _ = retrieve(self._index(gallery), queries, *labels, self.retrieved, progress)
        yield truncated_ranks(found, *labels)

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields what the index retrieved for each query: k images, or N where k is larger.

        The order is the index's, so the distances are those that it tells: for most indexes squared
        ones, perhaps of rounded features; for LSH, bits that differ.
        """
        found = self.retrieved_for(queries, query_labels, gallery, gallery_labels)
        yield from retrieved_lists(found, k, self.name)

    def retrieved_for(
        self, queries: Rows, query_labels: Labels, gallery: Rows, gallery_labels: Labels
    ) -> Retrieved:
        """Returns the first N images that count for each query."""
        labels = query_labels, gallery_labels
        return retrieve(self._index(gallery), queries, *labels, self.retrieved)[0]

    def _index(self, gallery: Rows) -> BuiltIndex:
        """Returns the gallery's index: built once, as another one may answer otherwise."""
        if self._built is None or self._built[0] is not gallery:
            self._built = gallery, build_index(self.name, gallery, gpu=self.gpu)
        return self._built[1]

    def told(self) -> dict[str, str]:
        """Says what was retrieved, and that the scores are the list's."""
        return {
            "index_note": f"FAISS {self.name}, approximate; truncated mAP: over the first "
            f"{self.retrieved} retrieved, matches not retrieved add 0"
        }


def retrieved_lists(found: Retrieved, k: int, name: str) -> Iterator[RankList]:
    """Yields the first k images that an index of this name retrieved for each query."""
    for query, ranks in enumerate(found.rank):
        column = np.flatnonzero((ranks > 0) & (ranks <= k))
        yield RankList(
            query,
            found.positions[query, column],
            found.distances[query, column].astype(np.float64),
            found.match[query, column],
            f"index {name}",
        )


def among(found: Retrieved, own: NDArray[np.bool_]) -> Retrieved:
    """Returns what was retrieved of some images, ranked among these; ``own``: which of G."""
    here = (found.rank > 0) & own[found.positions]
    rank = np.where(here, np.cumsum(here, axis=1), 0)
    return replace(found, rank=rank, match=found.match & here)


def check_count(count: int, gallery: int) -> None:
    """Checks a list's length against the gallery without junk.

    Raises:
        UserError: it is longer.
    """
    if count > gallery:
        raise UserError(
            f"{count} images per query are asked for, the gallery has {gallery:,} without junk",
            f"choose --retrieved from 1 to {gallery}",
            usage=True,
        )


def truncated_ranks(found: Retrieved, query_labels: Labels, gallery_labels: Labels) -> Ranks:
    """Returns the ranks of all matches of the queries that have one."""
    same = PidIndex(gallery_labels).same_pid(query_labels)
    sizes = np.bincount(same.query[same.match], minlength=len(query_labels))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    ranks = np.full(offsets[-1], UNRETRIEVED, np.int64)
    row, column = np.nonzero(found.match)  # row by row, in the order of the ranks
    hits = np.bincount(row, minlength=len(sizes))
    within = np.arange(len(row)) - np.repeat(np.cumsum(hits) - hits, hits)
    ranks[offsets[row] + within] = found.rank[row, column]
    gallery = same.image[same.match]
    for query in np.flatnonzero(sizes).tolist():
        own = slice(offsets[query], offsets[query + 1])
        first = found.positions[query, found.match[query]]
        gallery[own] = np.append(first, np.setdiff1d(gallery[own], first))
    matched = np.flatnonzero(sizes)
    return Ranks(matched, np.append(offsets[matched], offsets[-1]), ranks, gallery)


def _counted(
    positions: Int64s, distances: NDArray[np.float32], query: Labels, gallery: Labels, count: int
) -> Retrieved:
    same = gallery.pids[positions] == query.pids[:, None]
    own_camera = gallery.camids[positions] == query.camids[:, None]
    counts = (positions >= 0) & ~(same & own_camera)
    rank = np.cumsum(counts, axis=1)
    rank[~counts | (rank > count)] = 0
    return Retrieved(positions, distances, rank, same & (rank > 0))
