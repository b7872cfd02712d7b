"""Query expansion: each query is replaced by an average of itself and its nearest neighbours.

- AQE, average query expansion (Chum et al., Total Recall, ICCV 2007, section 4): the mean of the
  query and its n nearest gallery images.
- alpha-QE (Radenovic et al., Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019,
  section 3.4): query and neighbours L2-normalised, each neighbour weighted by its cosine to the
  power alpha (the query's own weight is 1), the sum L2-normalised. alpha = 0 is AQE.

Neighbours come from FAISS's Flat index, in its float32 order; labels play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reid_srdl.by_faiss.index import FlatIndex
from reid_srdl.errors import UserError
from reid_srdl.retrieval.counting.frame import frame_for
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.lists import Lister, RankList
from reid_srdl.retrieval.ranks import Ranks
from reid_srdl.retrieval.rows import Rows, rows_of

_VALUES = 1 << 21  # neighbours' feature values gathered at once


@dataclass(frozen=True)
class ExpandedRanker:
    """Expands the queries, then lets another ranker rank.

    Attributes:
        inner: who ranks.
        how: ``aqe`` or ``alpha-qe``.
        n: neighbours of each query, n_QE in the second paper.
        alpha: of alpha-QE.
    """

    inner: Lister
    how: Literal["aqe", "alpha-qe"]
    n: int = 10
    alpha: float = 3.0

    @property
    def independent(self) -> bool:
        """As the inner ranker: a query is expanded by the gallery alone."""
        return self.inner.independent

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches of the expanded queries."""
        if len(queries):
            expanded = self.expanded(queries, gallery)
            yield from self.inner.ranks(expanded, query_labels, gallery, gallery_labels, progress)

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields the first k images of each expanded query, with the distances from it."""
        there = query_labels, gallery, gallery_labels
        for found in self.inner.lists(self.expanded(queries, gallery), *there, k, distance):
            yield replace(found, measure=f"{found.measure}, {self.how}")

    def expanded(self, queries: Rows, gallery: Rows) -> Rows:
        """Returns the queries that the inner ranker gets."""
        return expand(queries, gallery, self.how, n=self.n, alpha=self.alpha)

    def told(self) -> dict[str, str]:
        """Names the expansion and its parameters, and what the inner ranker tells."""
        power = f", alpha {self.alpha:g}" if self.how == "alpha-qe" else ""
        return {**self.inner.told(), "expand_note": f"{self.how}: n {self.n}{power}"}


def expand(
    queries: Rows,
    gallery: Rows,
    how: Literal["aqe", "alpha-qe"],
    *,
    n: int = 10,
    alpha: float = 3.0,
) -> Rows:
    """Returns the expanded queries, read L2-normalised where ``queries`` are.

    Raises:
        UserError: n is outside the gallery, or alpha-QE is asked for on features that are not
            L2-normalised.
    """
    normalized = queries.normalized
    if not 1 <= n <= len(gallery):
        raise UserError(
            f"query expansion by {n} of {len(gallery):,} images",
            f"choose --expand-n from 1 to {len(gallery)}",
            usage=True,
        )
    if how == "alpha-qe" and not normalized:
        raise UserError(
            "alpha-qe weighs by cosines, but features are raw",
            "add --normalize or --distance cosine",
            usage=True,
        )
    frame = frame_for(queries, gallery)
    index = FlatIndex(frame, gallery)
    out = np.empty((len(queries), queries.dim), np.float32)
    step = max(1, _VALUES // (n * queries.dim))
    for start in range(0, len(queries), step):
        stop = min(start + step, len(queries))
        own = queries.take(np.arange(start, stop))
        placed = frame.place(own)
        _, near = index.nearest(placed, np.zeros(len(own), np.float32), n)
        others = gallery.take(near.reshape(-1)).reshape(len(own), n, -1).astype(np.float64)
        if how == "aqe":
            out[start:stop] = (own + others.sum(axis=1)) / (n + 1)
        else:
            cosines = np.einsum("qd,qnd->qn", own, others)
            weights = np.maximum(cosines, 0) ** alpha
            out[start:stop] = own + np.einsum("qn,qnd->qd", weights, others)
    return rows_of(out, normalize=normalized)
