"""Rank lists: the first k gallery images of each query, from the FAISS index, in exact order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.retrieval.conventions import CONVENTIONS
from reid_srdl.retrieval.counting.frame import frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.counting.pairs import exact_distances
from reid_srdl.retrieval.counting.windows import Reach, window
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.index import FlatIndex
from reid_srdl.retrieval.protocol import Int64s, Labels, counted
from reid_srdl.retrieval.rows import Rows, rows_of

_ANSWERS = 1 << 20  # list entries asked for at once


@dataclass(frozen=True)
class RankList:
    """What one query finds first.

    Attributes:
        query: the query's position.
        gallery: up to k gallery positions, nearest first; junk (where the rules know it) and the
            query's own identity by its own camera left out.
        distances: their distances: Euclidean, or 1 - cos under the cosine protocol.
        match: whether each is of the query's identity.
    """

    query: int
    gallery: Int64s
    distances: NDArray[np.float64]
    match: NDArray[np.bool_]


def rank_lists(features: Features, protocol: Protocol | None = None, k: int = 10) -> list[RankList]:
    """Returns the rank lists of all queries.

    Order is the definition's, equal distances by gallery index. A list is shorter than k where
    fewer images count for its query.

    Raises:
        UserError: the features cannot be evaluated, or k is not between 1 and the gallery's size.
    """
    protocol = protocol or Protocol()
    features = checked(features)
    size = len(features.gallery)
    if not 1 <= k <= size:
        raise UserError(f"rank lists of length {k}", f"choose from 1 to {size}", usage=True)
    normalize = protocol.normalize or protocol.distance == "cosine"
    junk_ignored = CONVENTIONS[protocol.rules].junk_ignored
    kept = counted(features.gallery.labels, junk_ignored=junk_ignored)
    gallery = rows_of(features.gallery.features, normalize=normalize).select(kept)
    queries = rows_of(features.query.features, normalize=normalize)
    lister = _Lister(queries, features.query.labels, gallery, features.gallery.labels.take(kept))
    lists = (
        sorted(lister.all(min(k, len(kept))), key=lambda found: found.query) if len(kept) else []
    )
    return [_told(found, kept, protocol) for found in lists]


def _told(found: RankList, kept: Int64s, protocol: Protocol) -> RankList:
    """Turns positions among the counted images into gallery positions, squares into distances."""
    cosine = protocol.distance == "cosine"
    distances = found.distances / 2 if cosine else np.sqrt(found.distances)
    return RankList(found.query, kept[found.gallery], distances, found.match)


class _Lister:
    def __init__(
        self, queries: Rows, query_labels: Labels, gallery: Rows, gallery_labels: Labels
    ) -> None:
        self._queries, self._query_labels = queries, query_labels
        self._gallery, self._gallery_labels = gallery, gallery_labels
        if len(gallery):
            self._frame = frame_for(queries, gallery)
            self._index = FlatIndex(self._frame, gallery)
            self._placed = placed_rows(self._frame, queries)
            self._squares = squared_norms(self._placed)

    def all(self, k: int) -> Iterator[RankList]:
        """Yields each query's list; asks for longer ones until k images that count are sure."""
        open_queries = np.arange(len(self._queries))
        length = min(2 * k + 16, len(self._gallery))
        while len(open_queries):
            step = max(1, _ANSWERS // length)
            unsure = []
            for first in range(0, len(open_queries), step):
                some = open_queries[first : first + step]
                zeros = np.zeros(len(some), np.float32)
                fetched = self._index.nearest(self._placed[some], zeros, length)
                for query, values, positions in zip(some.tolist(), *fetched, strict=True):
                    found = self._first(query, positions, k)
                    if length == len(self._gallery) or self._sure(found, float(values[-1]), k):
                        yield found
                    else:
                        unsure.append(query)
            open_queries = np.asarray(unsure, np.int64)
            length = min(2 * length, len(self._gallery))

    def _first(self, query: int, positions: Int64s, k: int) -> RankList:
        pid, camid = self._query_labels.pids[query], self._query_labels.camids[query]
        same = self._gallery_labels.pids[positions] == pid
        counts = ~(same & (self._gallery_labels.camids[positions] == camid))
        positions, same = positions[counts], same[counts]
        whose = np.full(len(positions), query)
        distances = exact_distances(self._queries, self._gallery, whose, positions)
        order = np.lexsort((positions, distances))[:k]
        return RankList(query, positions[order], distances[order], same[order])

    def _sure(self, found: RankList, farthest: float, k: int) -> bool:
        """Says whether nothing beyond FAISS's distance ``farthest`` can belong to the list."""
        if len(found.gallery) < k:
            return False
        square = self._squares[[found.query]]
        error = self._index.error(np.sqrt(square))
        reach = Reach(
            self._queries.dim,
            self._frame.scale,
            np.sqrt(square),
            self._index.largest_norm,
            np.zeros(1),
            error,
        )
        _, high = window(found.distances[-1:], reach)
        return farthest > float(high[0])
