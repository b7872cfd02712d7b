"""What queries find first, by the definition's distances, from the FAISS index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reid_srdl.by_faiss.index import FlatIndex
from reid_srdl.retrieval.counting.frame import frame_for, placed_rows, squared_norms
from reid_srdl.retrieval.counting.pairs import exact_distances
from reid_srdl.retrieval.counting.windows import Reach, window
from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.lists import RankList, counts
from reid_srdl.retrieval.rows import Rows

_ANSWERS = 1 << 20  # list entries asked for at once


def exact_lists(
    queries: Rows, query_labels: Labels, gallery: Rows, gallery_labels: Labels, k: int, measure: str
) -> Iterator[RankList]:
    """Yields each query's k nearest images, in the definition's order, queries in no order.

    Args:
        queries, query_labels: the queries.
        gallery, gallery_labels: images that count, at least one.
        k: up to the gallery's size.
        measure: ``euclidean``, or ``cosine`` where all are L2-normalised.
    """
    for found in _Lister(queries, query_labels, gallery, gallery_labels).all(k):
        squares = found.distances
        distances = squares / 2 if measure == "cosine" else np.sqrt(squares)
        yield RankList(found.query, found.gallery, distances, found.match, measure)


class _Lister:
    def __init__(
        self, queries: Rows, query_labels: Labels, gallery: Rows, gallery_labels: Labels
    ) -> None:
        self._queries, self._query_labels = queries, query_labels
        self._gallery, self._gallery_labels = gallery, gallery_labels
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
        positions = positions[counts(query, self._query_labels, self._gallery_labels, positions)]
        same = self._gallery_labels.pids[positions] == self._query_labels.pids[query]
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
