"""Retrieval metrics as functions of ranks. Sums are exact (math.fsum), so engines cannot differ.

All take one query's ranks r_1 < ... < r_n of its n matches, counted from 1, ignored images left
out. A match that was not retrieved has rank infinity, and so adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.ranks import UNRETRIEVED
from reid_srdl.retrieval.result import Scores


def average_precision(ranks: Sequence[float]) -> float:
    """Returns the mean of the precision at each hit, i / r_i.

    >>> average_precision([1, 3])
    0.8333333333333333
    """
    return math.fsum(i / r for i, r in enumerate(ranks, 1)) / len(ranks)


def average_precision_trapezoid(ranks: Sequence[float]) -> float:
    """Returns the area under the precision-recall curve by trapezoids.

    The mean of (i / r_i + o_i) / 2 with o_i = (i - 1) / (r_i - 1), the precision just before the
    hit, and o_i = 1 where r_i = 1, as in the evaluation code of Market-1501 (Zheng et al., ICCV
    2015).

    >>> average_precision_trapezoid([1, 3])
    0.7916666666666666
    """
    before = [(i - 1) / (r - 1) if r > 1 else 1.0 for i, r in enumerate(ranks, 1)]
    at = [i / r for i, r in enumerate(ranks, 1)]
    return math.fsum((old + new) / 2 for old, new in zip(before, at, strict=True)) / len(ranks)


def inverse_negative_penalty(ranks: Sequence[float]) -> float:
    """Returns n / r_n (Ye et al., Deep Learning for Person Re-identification, 2021, equation 2).

    >>> inverse_negative_penalty([1, 3])
    0.6666666666666666
    """
    return len(ranks) / ranks[-1]


def cmc(first_ranks: NDArray[np.int64], k: int) -> float:
    """Returns the cumulative matching characteristic: the share of Q queries with r_1 <= k.

    A first rank of 0 stands for no match at all.

    >>> cmc(np.array([1, 3, 7, 0]), 3)
    0.5
    """
    found = (first_ranks > 0) & (first_ranks <= k)
    return int(np.count_nonzero(found)) / len(first_ranks)


@dataclass(frozen=True)
class PerQuery:
    """Results of Q queries, in their order.

    Attributes:
        pids, camids: Q int64 each.
        names: Q names, or None where the features came without.
        matched: Q booleans; where false, the gallery has no match (or, for a multi-query, there is
            no box), and first_rank is 0. The other values are NaN, and the query is left out of the
            scores; or they are 0 under rules that count it so.
        ap, ap_trapezoid, inp: Q float64 each, fractions.
        first_rank: Q int64, the rank of the first match from 1; UNRETRIEVED where none was.
    """

    pids: NDArray[np.int64]
    camids: NDArray[np.int64]
    names: tuple[str, ...] | None
    matched: NDArray[np.bool_]
    ap: NDArray[np.float64]
    ap_trapezoid: NDArray[np.float64]
    inp: NDArray[np.float64]
    first_rank: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pids)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Q booleans: the query enters the scores."""
        return ~np.isnan(self.ap)

    def record(
        self, queries: NDArray[np.int64], ranks: NDArray[np.int64], offsets: NDArray[np.int64]
    ) -> None:
        """Enters the ranks of some queries: query i has ranks offsets[i] to offsets[i + 1].

        The values are those of this module's functions, to the bit. UNRETRIEVED stands for a match
        that was not retrieved: its rank is infinite.
        """
        sizes = np.diff(offsets)
        i = np.arange(1, len(ranks) + 1) - np.repeat(offsets[:-1], sizes)
        known = np.where(ranks == UNRETRIEVED, np.inf, ranks)
        at = i / known
        before = np.divide(i - 1, known - 1, out=np.ones(len(ranks)), where=ranks > 1)
        self.matched[queries] = True
        self.ap[queries] = _sums(at, offsets) / sizes
        self.ap_trapezoid[queries] = _sums((before + at) / 2, offsets) / sizes
        self.inp[queries] = sizes / known[offsets[1:] - 1]
        self.first_rank[queries] = ranks[offsets[:-1]]


def _sums(terms: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    listed = terms.tolist()
    return np.array([math.fsum(listed[i:j]) for i, j in pairwise(offsets.tolist())])


def no_results(
    pids: NDArray[np.int64],
    camids: NDArray[np.int64],
    names: tuple[str, ...] | None,
    unmatched: float = math.nan,
) -> PerQuery:
    """Returns a table for these queries in which none is matched yet.

    Args:
        pids, camids, names: of the queries.
        unmatched: what they score as long as they are not matched: NaN leaves them out.
    """
    count = len(pids)
    ap, trapezoid, inp = (np.full(count, unmatched) for _ in range(3))
    matched, first = np.zeros(count, np.bool_), np.zeros(count, np.int64)
    return PerQuery(pids, camids, names, matched, ap, trapezoid, inp, first)


def scores(results: PerQuery) -> Scores:
    """Averages over the scored queries.

    Raises:
        ValueError: no query is matched.
    """
    if not results.matched.any():
        raise ValueError("no query has a match")
    scored = results.scored
    queries = int(scored.sum())
    first = results.first_rank[scored]
    return Scores(
        mAP=_mean(results.ap[scored]),
        mAP_trapezoid=_mean(results.ap_trapezoid[scored]),
        mINP=_mean(results.inp[scored]),
        rank1=cmc(first, 1),
        rank5=cmc(first, 5),
        rank10=cmc(first, 10),
        rank20=cmc(first, 20),
        queries=queries,
        skipped=len(scored) - queries,
    )


def _mean(values: NDArray[np.float64]) -> float:
    return math.fsum(values.tolist()) / len(values)
