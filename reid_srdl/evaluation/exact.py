"""Exact ranks and rank lists, by the definition's distances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from reid_srdl.by_faiss.listing import exact_lists
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.lists import RankList
from reid_srdl.retrieval.ranks import Engine, Ranks, match_ranks
from reid_srdl.retrieval.rows import Rows


@dataclass(frozen=True)
class ExactRanker:
    """Ranks by the distances that `exact` defines, as `engine` counts them."""

    independent: ClassVar[bool] = True

    engine: Engine

    def ranks(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Ranks]:
        """Yields the ranks of all matches."""
        yield from match_ranks(
            queries, query_labels, gallery, gallery_labels, self.engine, progress
        )

    def lists(
        self,
        queries: Rows,
        query_labels: Labels,
        gallery: Rows,
        gallery_labels: Labels,
        k: int,
        distance: str,
    ) -> Iterator[RankList]:
        """Yields the first k images of each query by the same distances."""
        yield from exact_lists(queries, query_labels, gallery, gallery_labels, k, distance)

    def told(self) -> dict[str, str]:
        """Nothing: exact ranks over the whole gallery are the rule."""
        return {}
