"""What the page shows of a run's queries: a few numbers, however many queries there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.records.queries import QueryScores

RANKS = 20
_STEPS = 20  # of average precision


@dataclass(frozen=True)
class QuerySummary:
    """Over the queries that were scored.

    Attributes:
        cmc: CMC(k) in percent for k from 1 to 20.
        spread: numbers of queries whose average precision lies in each twentieth.
    """

    cmc: NDArray[np.float64]
    spread: NDArray[np.int64]


def summary_of(scores: QueryScores) -> QuerySummary:
    """Returns what the page shows of Q queries."""
    ap = scores.fractions("ap")
    scored = ~np.isnan(ap)
    first = np.array([math.inf if rank is None else rank for rank in scores.first_rank])[scored]
    cmc = 100 * (first[:, None] <= np.arange(1, RANKS + 1)).mean(axis=0)
    return QuerySummary(cmc, np.histogram(ap[scored], np.linspace(0, 1, _STEPS + 1))[0])
