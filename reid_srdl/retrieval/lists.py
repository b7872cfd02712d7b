"""Rank lists: what a query finds first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.labels import Int64s, Labels
from reid_srdl.retrieval.ranks import Ranker
from reid_srdl.retrieval.rows import Rows


@dataclass(frozen=True)
class RankList:
    """What one query finds first.

    Attributes:
        query: the query's position.
        gallery: up to k gallery positions, nearest first; junk (where the rules know it) and the
            query's own identity by its own camera left out.
        distances: what they were ranked by.
        match: whether each is of the query's identity.
        measure: which distance that is.
    """

    query: int
    gallery: Int64s
    distances: NDArray[np.float64]
    match: NDArray[np.bool_]
    measure: str = "euclidean"


class Lister(Ranker, Protocol):
    """A ranker that can also show what it ranks."""

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        images: Rows,
        image_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields the first k images of each query, in the order that gives its matches' ranks.

        Args:
            queries, query_labels, images, image_labels: as for `ranks`.
            k: from 1 to the gallery's size.
            distance: ``euclidean`` or ``cosine``, of the protocol.
        """


def counts(query: int, queries: Labels, gallery: Labels, positions: Int64s) -> NDArray[np.bool_]:
    """Says which gallery images count for a query: all but its own identity by its own camera."""
    same = gallery.pids[positions] == queries.pids[query]
    own: NDArray[np.bool_] = same & (gallery.camids[positions] == queries.camids[query])
    return ~own
