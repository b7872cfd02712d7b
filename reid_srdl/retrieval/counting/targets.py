"""Each query's true matches with their exact distances, in rank order: what negatives must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.counting.exact import pair_distances
from reid_srdl.retrieval.counting.parallel import each, parts
from reid_srdl.retrieval.protocol import Int64s, SamePid
from reid_srdl.retrieval.rows import Rows

_PAIR_VALUES = 1 << 17  # feature values gathered at once for each side: they stay in cache
_PART_PAIRS = 4096  # pairs that one thread decides in a go


@dataclass(frozen=True)
class Targets:
    """The M matches of Q queries.

    Attributes:
        same: all same-identity pairs, which never count as negatives.
        offsets: Q + 1 positions; query i has matches offsets[i] to offsets[i + 1].
        query: M query positions.
        gallery: M gallery positions; within a query by (distance, position).
        distances: M squared Euclidean distances by the definition.
    """

    same: SamePid
    offsets: Int64s
    query: Int64s
    gallery: Int64s
    distances: NDArray[np.float64]

    def position(
        self, query: Int64s, distances: NDArray[np.float64], gallery: Int64s
    ) -> tuple[Int64s, Int64s]:
        """Finds where P gallery images stand among the matches of P queries.

        Returns:
            (first, end): the first match that the image is ahead of by (distance, gallery
            position), and the end of its query's matches; first == end where there is none.
        """
        low, end = self.offsets[query], self.offsets[query + 1]
        high = end.copy()
        while (searching := low < high).any():
            # A binary search in all of them at once; finished ones look at any place and stay.
            middle = np.where(searching, (low + high) // 2, 0)
            there, at = self.distances[middle], self.gallery[middle]
            ahead = (there < distances) | ((there == distances) & (at < gallery))
            low = np.where(searching & ahead, middle + 1, low)
            high = np.where(searching & ~ahead, middle, high)
        return low, end


def find_targets(queries: Rows, gallery: Rows, same: SamePid) -> Targets:
    """Computes the exact distance of every match and sorts each query's matches."""
    query, position = same.query[same.match], same.gallery[same.match]
    slices = [slice(*part) for part in parts(len(query), _PART_PAIRS)]
    found = each(lambda s: exact_distances(queries, gallery, query[s], position[s]), slices)
    distances = np.concatenate([np.empty(0), *found])
    order = np.lexsort((position, distances, query))
    sizes = np.bincount(query, minlength=len(queries))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Targets(same, offsets, query[order], position[order], distances[order])


def exact_distances(
    queries: Rows, gallery: Rows, query: Int64s, position: Int64s
) -> NDArray[np.float64]:
    """Returns the definition's squared distances of P pairs, in bounded memory."""
    out = np.empty(len(query), np.float64)
    step = max(1, _PAIR_VALUES // queries.dim)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        out[part] = pair_distances(queries.take(query[part]), gallery.take(position[part]))
    return out
