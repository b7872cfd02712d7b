"""Whether two results differ by more than chance: paired over the same queries.

The queries of one identity are no independent draws: they share their matches in the gallery and
look alike, so what one of them gains the others tend to gain too. Resampling single queries takes
them for independent and makes intervals too narrow. Identities are therefore drawn as wholes, with
all their queries (the cluster bootstrap, Davison and Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8); ``by="query"`` draws queries one by one all the same.

Interval: bootstrap of the difference of means over the drawn identities' queries, bias-corrected
and accelerated (BCa, Efron, Better Bootstrap Confidence Intervals, 1987), because differences of
AP are skewed and identities differ in size; where BCa is undefined (all differences equal), the
percentiles of the same draws. Test: were A and B the same, each identity's results could be swapped
between them; p is twice the share of such swaps whose difference lies as far out on the observed
side (all swaps where there are no more than resamples, else that many at random and the observed
one).

Both speak of queries, not of training: they tell whether these two networks differ on people like
these, not whether one method makes better networks than another. That needs several seeds.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from reid_srdl.config import Protocol
from reid_srdl.errors import UserError
from reid_srdl.records.pairing import check_pair
from reid_srdl.records.per_query import Side
from reid_srdl.records.queries import QueryScores
from reid_srdl.seeds import generator

Metric = Literal["mAP", "mAP_trapezoid", "mINP", "rank1"]
By = Literal["identity", "query"]
Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]

_BATCH_VALUES = 1 << 21


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Settings(_Part):
    """How chance is judged.

    Attributes:
        by: what is drawn: identities with all their queries, or queries.
        resamples: draws of the bootstrap and of the permutation test.
        confidence: of the intervals, 0 to 1.
        seed: of all draws.
    """

    by: By = "identity"
    resamples: int = 9999
    confidence: float = 0.95
    seed: int = 0


class Difference(_Part):
    """B - A in one score; fractions from 0 to 1.

    Attributes:
        a, b: the two scores.
        difference: b - a.
        low, high: its confidence interval.
        interval: how it was computed.
        p: of the two-sided permutation test.
        better, worse: queries on which B is better, or worse, than A.
    """

    metric: Metric
    a: float
    b: float
    difference: float
    low: float
    high: float
    interval: Literal["BCa", "percentile"]
    p: float
    better: int
    worse: int


class Kind(_Part):
    """The differences of one kind of query.

    Attributes:
        queries: queries that are scored, in both.
        units: what was drawn: identities, or queries.
        scores: one difference for each score that both sides have.
    """

    queries: int
    units: int
    scores: tuple[Difference, ...]

    def of(self, metric: Metric) -> Difference:
        """Returns the difference in ``metric``."""
        return next(score for score in self.scores if score.metric == metric)


class Comparison(_Part):
    """Two results compared.

    Attributes:
        a, b: what was compared.
        protocol: the rules both follow (A's, where the two differ in how features are read); None
            where they are not known.
        warnings: what a reader should know before believing the numbers.
    """

    a: str
    b: str
    settings: Settings
    protocol: Protocol | None
    single_query: Kind
    multi_query: Kind | None
    warnings: tuple[str, ...]


def compare(a: Side, b: Side, settings: Settings | None = None) -> Comparison:
    """Compares two results over the same queries, B against A.

    Args:
        a, b: results of the same Q queries, as `read_results` gives them.
        settings: draws, confidence and seed; None: 9,999 draws at 95 %.

    Returns:
        Of each metric both values and B - A, fractions from 0 to 1, with interval and p-value.

    Raises:
        UserError: different queries, data sets or rules; or too little to resample.

    >>> from reid_srdl import read_results  # doctest: +SKIP
    >>> side = read_results("runs/small")  # doctest: +SKIP
    >>> compare(side, side).single_query.of("mAP").difference  # doctest: +SKIP
    0.0
    """
    settings = settings or Settings()
    told = check_pair(a, b)
    single = _kind("single", a.single, b.single, settings)
    multi = None
    if a.multi is not None and b.multi is not None:
        multi = _kind("multi", a.multi, b.multi, settings)
    return Comparison(
        a=a.label,
        b=b.label,
        settings=settings,
        protocol=a.protocol or b.protocol,
        single_query=single,
        multi_query=multi,
        warnings=told,
    )


def _kind(name: str, a: QueryScores, b: QueryScores, settings: Settings) -> Kind:
    scored = ~np.isnan(a.fractions("ap"))
    if not scored.any():
        raise UserError(f"no {name}-query is scored", "compare results that have scores")
    units = _units(name, a, b, scored, settings.by)
    pairs: dict[Metric, tuple[Float64s, Float64s]] = {
        "mAP": (a.fractions("ap"), b.fractions("ap")),
        "mAP_trapezoid": (a.fractions("ap_trapezoid"), b.fractions("ap_trapezoid")),
        "rank1": (_at_first(a), _at_first(b)),
    }
    if a.inp is not None and b.inp is not None:
        pairs["mINP"] = (a.fractions("inp"), b.fractions("inp"))
    metrics = tuple(pairs)
    both = np.array([pairs[metric] for metric in metrics])[:, :, scored]
    scores = differences(both[:, 0], both[:, 1], units, metrics, settings, kind=name)
    return Kind(queries=int(scored.sum()), units=len(np.unique(units)), scores=scores)


def _at_first(results: QueryScores) -> Float64s:
    return np.array([float(rank == 1) for rank in results.first_rank], np.float64)


def _units(name: str, a: QueryScores, b: QueryScores, scored: NDArray[np.bool_], by: By) -> Int64s:
    """Returns what each scored query is drawn with."""
    pids = a.pids if a.pids is not None else b.pids
    if by == "query":
        units = np.arange(int(scored.sum()))
    elif pids is None:
        raise UserError(
            "neither result names its queries' identities, which are to be resampled",
            "evaluate again with reid-srdl eval --per-query, or say --by query",
        )
    else:
        units = np.array(pids, np.int64)[scored]
    if len(np.unique(units)) < 2:
        what = f"the scored {name}-queries are of one {by}: nothing to resample"
        hint = "say --by query" if by == "identity" and len(units) > 1 else "use more queries"
        raise UserError(what, hint)
    return units


@dataclass(frozen=True)
class _Sums:
    """Differences of M scores summed within each of U units, and the units' sizes."""

    totals: Float64s
    sizes: Float64s


def differences(
    a: Float64s,
    b: Float64s,
    units: Int64s,
    metrics: tuple[Metric, ...],
    settings: Settings,
    *,
    kind: str = "single",
) -> tuple[Difference, ...]:
    """Judges the differences of M scores over Q queries.

    Args:
        a, b: M x Q values of each query.
        units: Q labels; queries of one label are drawn together. At least two different ones.
        metrics: the M scores' names.
        settings: draws, confidence, seed.
        kind: enters the seed, so that kinds of queries draw on their own.
    """
    sums = _summed(b - a, units)
    p_values = _permutation(sums, settings, kind)
    made = []
    for row, metric in enumerate(metrics):
        one = _Sums(sums.totals[row], sums.sizes)
        low, high, how = _interval(one, settings, kind, metric)
        mean_a, mean_b = float(a[row].mean()), float(b[row].mean())
        made.append(
            Difference(
                metric=metric,
                a=mean_a,
                b=mean_b,
                difference=float(_ratio(one.totals, one.sizes)),
                low=low,
                high=high,
                interval=how,
                p=float(p_values[row]),
                better=int((b[row] > a[row]).sum()),
                worse=int((b[row] < a[row]).sum()),
            )
        )
    return tuple(made)


def mean_interval(
    values: Float64s, units: Int64s, settings: Settings, metric: Metric
) -> tuple[float, float] | None:
    """Returns the bootstrap interval of a mean over Q queries, drawn by units.

    Args:
        values: Q values.
        units: Q labels; queries of one label are drawn together.
        settings: draws, confidence, seed.
        metric: the score's name, which enters the seed.

    Returns:
        Its ends, BCa or percentile as in `differences`; None where there is one unit only.

    >>> hits, people = np.array([1.0, 0, 1, 1, 0, 1]), np.array([1, 1, 2, 2, 3, 3])
    >>> low, high = mean_interval(hits, people, Settings(resamples=99), "rank1")
    >>> bool(low <= hits.mean() <= high)
    True
    """
    if len(np.unique(units)) < 2:
        return None
    sums = _summed(values[None], units)
    return _interval(_Sums(sums.totals[0], sums.sizes), settings, "single", metric)[:2]


def _summed(differences: Float64s, units: Int64s) -> _Sums:
    _, place = np.unique(units, return_inverse=True)
    totals = np.array([np.bincount(place, row) for row in differences], np.float64)
    return _Sums(totals, np.bincount(place).astype(np.float64))


def _ratio(totals: Float64s, sizes: Float64s, axis: int = -1) -> Any:
    """The mean over all queries of the units drawn."""
    return totals.sum(axis=axis) / sizes.sum(axis=axis)


def _interval(
    sums: _Sums, settings: Settings, kind: str, metric: str
) -> tuple[float, float, Literal["BCa", "percentile"]]:
    from scipy.stats import bootstrap

    common: dict[str, Any] = {
        "data": (sums.totals, sums.sizes),
        "statistic": _ratio,
        "paired": True,
        "vectorized": True,
        "confidence_level": settings.confidence,
        "batch": max(1, _BATCH_VALUES // len(sums.sizes)),
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # BCa's own complaint where it is undefined
        drawn = bootstrap(
            **common,
            method="BCa",
            n_resamples=settings.resamples,
            rng=generator(settings.seed, "bootstrap", kind, metric),
        )
        found = drawn.confidence_interval
        if np.isfinite([found.low, found.high]).all():
            return float(found.low), float(found.high), "BCa"
        again = bootstrap(**common, method="percentile", n_resamples=0, bootstrap_result=drawn)
    found = again.confidence_interval
    return float(found.low), float(found.high), "percentile"


def _permutation(sums: _Sums, settings: Settings, kind: str) -> Float64s:
    """Returns the M p-values; to swap A and B in a unit is to swap its difference with 0."""
    from scipy.stats import permutation_test

    def difference(b: Float64s, a: Float64s, axis: int = -1) -> Any:
        return (b - a).sum(axis=axis)

    found = permutation_test(
        (sums.totals, np.zeros_like(sums.totals)),
        difference,
        permutation_type="samples",
        vectorized=True,
        axis=-1,
        n_resamples=settings.resamples,
        batch=max(1, _BATCH_VALUES // sums.totals.size),
        rng=generator(settings.seed, "permutation", kind),
    )
    return np.atleast_1d(np.asarray(found.pvalue, np.float64))
