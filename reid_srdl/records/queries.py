"""Per-query results as records keep them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from reid_srdl.records.part import RecordPart
from reid_srdl.retrieval.metrics import PerQuery
from reid_srdl.retrieval.ranks import UNRETRIEVED


class QueryScores(RecordPart):
    """Results of each query, in the data set's query order.

    Attributes:
        ap: average precision by precision at hits; None for a query without a match.
        ap_trapezoid: the official area by trapezoids; None for a query without a match.
        first_rank: rank of the first match, from 1; None for a query without a match.
        inp: n / r_n; None for a query without a match.
        pids, camids, names: who the queries are, so that results can be paired.

    Under rules that count a query without a match as 0, its ap, ap_trapezoid and inp are 0. The
    last four are None as a whole where they are not known.
    """

    ap: tuple[float | None, ...]
    ap_trapezoid: tuple[float | None, ...]
    first_rank: tuple[int | None, ...]
    inp: tuple[float | None, ...] | None = None
    pids: tuple[int, ...] | None = None
    camids: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> QueryScores:
        if not len(self.ap) == len(self.ap_trapezoid) == len(self.first_rank):
            raise ValueError("ap, ap_trapezoid and first_rank differ in length")
        for key in ("inp", "pids", "camids", "names"):
            values = getattr(self, key)
            if values is not None and len(values) != len(self.ap):
                raise ValueError(f"ap and {key} differ in length")
        return self

    def __len__(self) -> int:
        return len(self.ap)

    def fractions(self, key: Literal["ap", "ap_trapezoid", "inp"]) -> NDArray[np.float64]:
        """Returns Q fractions, NaN for a query that is left out of the scores."""
        values: tuple[float | None, ...] = getattr(self, key)
        return np.array([math.nan if value is None else value for value in values], np.float64)


class ScoredQueries(RecordPart):
    """Per-query results of one network; multi-query None where there are no boxes."""

    single_query: QueryScores
    multi_query: QueryScores | None = None


def scored_queries(single: PerQuery, multi: PerQuery | None = None) -> ScoredQueries:
    """Returns an evaluation's per-query results as a record keeps them."""
    return ScoredQueries(
        single_query=_scores(single), multi_query=None if multi is None else _scores(multi)
    )


def _scores(results: PerQuery) -> QueryScores:
    """Returns the arrays as plain numbers, None where a query is left out or has no match."""
    scored = results.scored.tolist()

    def plain(values: list[float]) -> tuple[float | None, ...]:
        return tuple(value if ok else None for value, ok in zip(values, scored, strict=True))

    return QueryScores(
        ap=plain(results.ap.tolist()),
        ap_trapezoid=plain(results.ap_trapezoid.tolist()),
        first_rank=tuple(
            None if rank in (0, UNRETRIEVED) else rank for rank in results.first_rank.tolist()
        ),
        inp=plain(results.inp.tolist()),
        pids=tuple(results.pids.tolist()),
        camids=tuple(results.camids.tolist()),
        names=None if results.names is None else tuple(results.names),
    )
