"""A ranking that is one whole, because queries share it: listed, and seen from each camera.

What an index retrieved, and the final distances of a re-ranking, belong to one search in the whole
gallery; searched alone, a camera's images would be ranked by another index or other neighbours. So
a camera's gallery is seen as this ranking has it: its images in the order that gave the scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from reid_srdl.evaluation.galleries import Gallery
from reid_srdl.retrieval.labels import JUNK, Int64s, Labels
from reid_srdl.retrieval.lists import RankList
from reid_srdl.retrieval.ranks import Ranker, Ranks
from reid_srdl.retrieval.rows import Rows

if TYPE_CHECKING:
    from reid_srdl.by_faiss.approximate import Retrieved
    from reid_srdl.reranking.jaccard import FinalDistances, Shared
    from reid_srdl.reranking.rerank import KReciprocalRanker


class OneRanking(Protocol):
    """Queries as they were ranked in a whole gallery, by positions in it."""

    def lists(self, labels: Labels, k: int, distance: str) -> Iterator[RankList]:
        """Yields the first k images of each query that count for queries of these labels."""

    def among(self, own: Int64s) -> Iterator[Ranks]:
        """Yields the ranks of matches among some of the images, whose positions are ``own``."""


def one_ranking(gallery: Gallery, queries: Rows, labels: Labels) -> OneRanking | None:
    """Returns the ranking that gave the scores; None where each query is ranked by itself.

    Args:
        gallery: what was searched.
        queries, labels: who searched, as the rules see them.
    """
    return _of(gallery.ranker, gallery, queries, labels)


def _of(ranker: Ranker, gallery: Gallery, queries: Rows, labels: Labels) -> OneRanking | None:
    if ranker.independent:
        return None
    from reid_srdl.by_faiss.approximate import ApproximateRanker
    from reid_srdl.reranking.expansion import ExpandedRanker
    from reid_srdl.reranking.rerank import KReciprocalRanker

    if isinstance(ranker, ExpandedRanker):
        expanded = ranker.expanded(queries, gallery.rows)
        inner = _of(ranker.inner, gallery, expanded, labels)
        return None if inner is None else _Expanded(inner, ranker.how)
    if isinstance(ranker, KReciprocalRanker):
        final, shared = ranker.prepared(queries, gallery.rows)
        return _Reranked(ranker, final, shared, labels, gallery.labels)
    if isinstance(ranker, ApproximateRanker):
        found = ranker.retrieved_for(queries, labels, gallery.rows, gallery.labels)
        return _Retrieved(ranker.name, found, labels, gallery.labels)
    return None


@dataclass(frozen=True)
class _Expanded:
    """Expanded queries, as another ranked them."""

    inner: OneRanking
    how: str

    def lists(self, labels: Labels, k: int, distance: str) -> Iterator[RankList]:
        for found in self.inner.lists(labels, k, distance):
            yield replace(found, measure=f"{found.measure}, {self.how}")

    def among(self, own: Int64s) -> Iterator[Ranks]:
        return self.inner.among(own)


@dataclass(frozen=True)
class _Reranked:
    """A re-ranking: whoever is listed or counted, it is by these final distances."""

    ranker: KReciprocalRanker
    final: FinalDistances
    shared: Shared
    asked: Labels
    there: Labels

    def lists(self, labels: Labels, k: int, distance: str) -> Iterator[RankList]:
        prepared = self.final, self.shared
        yield from self.ranker.first_images(prepared, labels, self.there, k, distance)

    def among(self, own: Int64s) -> Iterator[Ranks]:
        from reid_srdl.reranking.ranked import reranked

        part = self.final.among(own), self.shared.among(own)
        yield from reranked(*part, self.asked, self.there.take(own))


@dataclass(frozen=True)
class _Retrieved:
    """What an index retrieved: a match beyond this adds 0 to a camera's scores, too."""

    name: str
    found: Retrieved
    asked: Labels
    there: Labels

    def lists(self, labels: Labels, k: int, distance: str) -> Iterator[RankList]:
        # NOTE: for the labels that asked. Asked for more, an index may answer otherwise.
        from reid_srdl.by_faiss.approximate import retrieved_lists

        yield from retrieved_lists(self.found, k, self.name)

    def among(self, own: Int64s) -> Iterator[Ranks]:
        from reid_srdl.by_faiss.approximate import among, truncated_ranks

        here = np.zeros(len(self.there), np.bool_)
        here[own] = True
        masked = Labels(np.where(here, self.there.pids, JUNK), self.there.camids)
        yield truncated_ranks(among(self.found, here), self.asked, masked)
