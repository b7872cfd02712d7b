"""Comparisons against plain NumPy, enumeration and what chance must do."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.records.comparison import Comparison, Settings, compare, differences
from reid_srdl.records.per_query import Side
from reid_srdl.records.queries import QueryScores

QUICK = Settings(resamples=999)


def queries(ap: np.ndarray, pids: np.ndarray, *, first: np.ndarray | None = None) -> QueryScores:
    rank = np.where(np.isnan(ap) | (ap == 0), 0, 1) if first is None else first
    camids = np.arange(len(ap)) % 6
    names = tuple(f"{pid:04d}_{i}.jpg" for i, pid in enumerate(pids))

    def plain(values: np.ndarray) -> tuple[float | None, ...]:
        return tuple(None if math.isnan(value) else value for value in values.tolist())

    return QueryScores(
        ap=plain(ap),
        ap_trapezoid=plain(ap * 0.95),
        inp=plain(ap * 0.5),
        first_rank=tuple(first or None for first in rank.tolist()),
        pids=tuple(pids.tolist()),
        camids=tuple(camids.tolist()),
        names=names,
    )


def results(ap: np.ndarray, pids: np.ndarray, **fields: object) -> Side:
    made: dict[str, object] = {"label": "x", "protocol": Protocol(), "dataset": "market1501"}
    return Side(**{**made, "single": queries(ap, pids), **fields})  # type: ignore[arg-type]


def sample(seed: int, people: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AP of A and B, with what an identity's queries share, and the identities."""
    rng = np.random.default_rng(seed)
    pids = np.repeat(np.arange(1, people + 1), rng.integers(1, 7, people))
    shared = rng.normal(shift, 0.06, people + 1)[pids]
    a = rng.uniform(0.2, 0.7, len(pids))
    b = np.clip(a + shared + rng.normal(0, 0.03, len(pids)), 0.001, 1)
    return a, b, pids


def judged(sample_seed: int, people: int, shift: float = 0.0, **settings: object) -> Comparison:
    a, b, pids = sample(sample_seed, people, shift)
    return compare(results(a, pids), results(b, pids), Settings(**settings))  # type: ignore[arg-type]


def plain_bca(d: np.ndarray, pids: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """Efron's BCa of the mean over drawn identities, by loops."""
    rng = np.random.default_rng(seed)
    people = [d[pids == pid] for pid in np.unique(pids)]
    sums, sizes = np.array([p.sum() for p in people]), np.array([len(p) for p in people])
    drawn = rng.integers(0, len(people), (draws, len(people)))
    means = np.sort(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    normal = NormalDist()
    bias = normal.inv_cdf((means < d.mean()).mean())
    left = np.array(
        [(sums.sum() - s) / (sizes.sum() - n) for s, n in zip(sums, sizes, strict=True)]
    )
    pull = left.mean() - left
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    ends = []
    for level in (0.025, 0.975):
        z = bias + normal.inv_cdf(level)
        ends.append(np.quantile(means, normal.cdf(bias + z / (1 - acceleration * z))))
    return ends[0], ends[1]


def test_scores_are_the_means_of_queries() -> None:
    a, b, pids = sample(0, 40)
    found = compare(results(a, pids), results(b, pids), QUICK).single_query
    assert (found.queries, found.units) == (len(a), 40)
    assert [score.metric for score in found.scores] == ["mAP", "mAP_trapezoid", "rank1", "mINP"]
    for metric, factor in (("mAP", 1), ("mAP_trapezoid", 0.95), ("mINP", 0.5)):
        score = found.of(metric)  # type: ignore[arg-type]
        assert score.a == pytest.approx(factor * a.mean())
        assert score.b == pytest.approx(factor * b.mean())
        assert score.difference == pytest.approx(factor * (b.mean() - a.mean()))
        assert score.low < score.difference < score.high
        assert (score.better, score.worse) == ((b > a).sum(), (b < a).sum())


def test_intervals_equal_a_plain_bootstrap() -> None:
    a, b, pids = sample(1, 60, 0.01)
    b[:9] = 1.0  # a skewed tail
    found = compare(results(a, pids), results(b, pids), Settings(resamples=19999))
    score = found.single_query.of("mAP")
    assert score.interval == "BCa"
    low, high = plain_bca(b - a, pids, 40000, seed=5)
    width = high - low
    assert score.low == pytest.approx(low, abs=0.02 * width)
    assert score.high == pytest.approx(high, abs=0.02 * width)


def test_intervals_by_query_equal_scipys_own() -> None:
    a, b, pids = sample(2, 50)
    settings = Settings(by="query", resamples=9999)
    score = compare(results(a, pids), results(b, pids), settings).single_query.of("mAP")
    theirs = stats.bootstrap(((b - a),), np.mean, rng=np.random.default_rng(9)).confidence_interval
    width = theirs.high - theirs.low
    assert score.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert score.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_small_permutations_are_enumerated() -> None:
    a = np.array([0.5, 0.2, 0.9, 0.4, 0.3, 0.8, 0.6])
    b = np.array([0.6, 0.5, 0.8, 0.7, 0.35, 0.9, 0.75])
    pids = np.array([1, 1, 2, 3, 4, 4, 5])
    score = compare(results(a, pids), results(b, pids), QUICK).single_query.of("mAP")
    sums = [float((b - a)[pids == pid].sum()) for pid in range(1, 6)]
    swaps = [
        sum(s * d for s, d in zip(signs, sums, strict=True))
        for signs in itertools.product((1, -1), repeat=5)
    ]
    upper = sum(swap >= sum(sums) - 1e-12 for swap in swaps) / len(swaps)
    lower = sum(swap <= sum(sums) + 1e-12 for swap in swaps) / len(swaps)
    assert score.p == pytest.approx(min(1, 2 * min(upper, lower)))
    assert 0 < score.p < 1


def test_random_permutations_agree_with_plain_numpy() -> None:
    a, b, pids = sample(3, 50, 0.012)
    score = compare(results(a, pids), results(b, pids), Settings()).single_query.of("mAP")
    sums = np.bincount(pids, b - a)[1:]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (20000, 50))
    share = (np.abs(signs @ sums) >= abs(sums.sum())).mean()
    assert score.p == pytest.approx(share, abs=0.02)
    assert 0.01 < share < 0.9


def test_the_same_results_do_not_differ() -> None:
    a, _, pids = sample(4, 30)
    for score in compare(results(a, pids), results(a.copy(), pids), QUICK).single_query.scores:
        assert (score.difference, score.low, score.high, score.p) == (0, 0, 0, 1)
        assert (score.better, score.worse, score.interval) == (0, 0, "percentile")


def test_a_large_shift_is_no_chance() -> None:
    score = judged(5, 100, shift=0.2).single_query.of("mAP")
    assert score.p == pytest.approx(2 / 10000)  # the least that 9,999 resamples can give
    assert score.low > 0.1


def test_swapping_the_sides_turns_the_signs() -> None:
    a, b, pids = sample(6, 40, 0.02)
    one = compare(results(a, pids), results(b, pids), QUICK).single_query.of("mAP")
    other = compare(results(b, pids), results(a, pids), QUICK).single_query.of("mAP")
    assert other.difference == -one.difference
    assert other.low == pytest.approx(-one.high)
    assert other.high == pytest.approx(-one.low)
    assert (other.better, other.worse) == (one.worse, one.better)
    assert other.p == pytest.approx(one.p, abs=0.05)


def test_seeds_fix_all_draws() -> None:
    assert judged(7, 30, resamples=500) == judged(7, 30, resamples=500)
    other = judged(7, 30, resamples=500, seed=1)
    assert other.single_query != judged(7, 30, resamples=500).single_query
    assert other.settings.seed == 1


def test_identities_widen_what_their_queries_share() -> None:
    by = {by: judged(8, 80, by=by).single_query for by in ("identity", "query")}
    width = {key: kind.of("mAP").high - kind.of("mAP").low for key, kind in by.items()}
    assert width["identity"] > 1.3 * width["query"]
    assert by["identity"].units == 80
    assert by["query"].units == by["query"].queries


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    # 100 samples whose true difference is 0: by identity about 90 intervals of 90 % hold it.
    settings = Settings(confidence=0.9, resamples=199)
    held = rejected = 0
    for seed in range(100):
        a, b, pids = sample(100 + seed, 40)
        (score,) = differences(a[None], b[None], pids, ("mAP",), settings)
        held += score.low <= 0 <= score.high
        rejected += score.p < 0.1
    assert 80 <= held <= 98
    assert 2 <= rejected <= 20


def test_rank1_counts_first_ranks_of_one() -> None:
    ap, pids = np.full(4, 0.5), np.array([1, 1, 2, 3])
    one = queries(ap, pids, first=np.array([1, 2, 1, 5]))
    other = queries(ap, pids, first=np.array([1, 1, 1, 1]))
    found = compare(results(ap, pids, single=one), results(ap, pids, single=other), QUICK)
    score = found.single_query.of("rank1")
    assert (score.a, score.b, score.better, score.worse) == (0.5, 1.0, 2, 0)


def test_queries_left_out_of_both_are_left_out_here() -> None:
    a, b, pids = sample(9, 20)
    a[[0, 5]] = b[[0, 5]] = math.nan
    found = compare(results(a, pids), results(b, pids), QUICK).single_query
    assert found.queries == len(a) - 2
    assert found.of("mAP").a == pytest.approx(np.nanmean(a))


def test_multi_queries_are_compared_where_both_have_them() -> None:
    a, b, pids = sample(10, 20)
    one = results(a, pids, multi=queries(a[:30], pids[:30]))
    other = results(b, pids, multi=queries(b[:30], pids[:30]))
    found = compare(one, other, QUICK)
    assert found.multi_query is not None
    assert found.multi_query.queries == 30
    assert found.multi_query.of("mAP").b == pytest.approx(b[:30].mean())
    lone = compare(one, results(b, pids), QUICK)
    assert lone.multi_query is None
    assert lone.warnings == ("multi-query results are in A only: not compared",)


def test_minp_needs_both_sides() -> None:
    a, b, pids = sample(11, 20)
    without = queries(b, pids).model_copy(update={"inp": None})
    found = compare(results(a, pids), results(b, pids, single=without), QUICK)
    assert "mINP" not in [score.metric for score in found.single_query.scores]


def test_what_cannot_be_paired_is_refused_at_its_first_difference() -> None:
    a, b, pids = sample(12, 20)
    base = results(a, pids)

    def changed(**fields: object) -> Side:
        single = queries(b, pids).model_copy(update=fields)
        return results(b, pids, single=single)

    names = list(base.single.names or ())
    names[3] = "other.jpg"
    camids = list(base.single.camids or ())
    camids[4] += 1
    moved = tuple((pids + (pids == 2)).tolist())
    skipping = b.copy()
    skipping[2] = math.nan
    for other, words in (
        (results(b[1:], pids[1:]), f"A has {len(a)} single-queries, B has {len(a) - 1}"),
        (changed(names=tuple(names)), "single-query 3 .* name .* in A, other.jpg in B"),
        (changed(names=None, pids=moved), "pid 2 in A, 3 in B"),
        (changed(camids=tuple(camids)), "single-query 4 .* camid"),
        (results(skipping, pids), "single-query 2 .* left out False in A, True in B"),
        (results(b, pids, dataset="msmt17"), "A is of market1501, B of msmt17"),
        (results(b, pids, protocol=Protocol(rules="torchreid")), "rules of 'ours', B of 'torchre"),
    ):
        with pytest.raises(UserError, match=words):
            compare(base, other, QUICK)


def test_the_test_images_are_told_by_their_labels_where_both_know_them() -> None:
    a, b, pids = sample(12, 20)
    ours = results(a, pids, labels="a" * 32)
    compare(ours, results(b, pids, labels="a" * 32, dataset="another-name"), QUICK)
    with pytest.raises(UserError, match="searched other images: the galleries'"):
        compare(ours, results(b, pids, labels="b" * 32), QUICK)
    with pytest.raises(UserError, match="A is of market1501, B of msmt17"):
        compare(ours, results(b, pids, dataset="msmt17"), QUICK)


def test_other_features_are_warned_of_and_unnamed_rules_too() -> None:
    a, b, pids = sample(13, 20)
    cosine = results(b, pids, protocol=Protocol(distance="cosine"))
    (line,) = compare(results(a, pids), cosine, QUICK).warnings
    assert line == "evaluated differently: distance is euclidean in A, cosine in B"
    (line,) = compare(results(a, pids), results(b, pids, protocol=None), QUICK).warnings
    assert line == "B: rules not named, taken to be the same"


def test_queries_without_identities_are_drawn_only_when_asked_for() -> None:
    a, b, pids = sample(14, 20)
    unnamed = {"pids": None, "camids": None, "names": None}
    bare = [queries(ap, pids).model_copy(update=unnamed) for ap in (a, b)]
    sides = [results(ap, pids, single=one) for ap, one in zip((a, b), bare, strict=True)]
    with pytest.raises(UserError, match="neither result names its queries' identities"):
        compare(*sides, QUICK)
    found = compare(*sides, Settings(by="query", resamples=99))
    assert found.warnings == ("single-queries not named in both: paired by their order alone",)
    half = compare(sides[0], results(b, pids), QUICK)  # one side's identities do for both
    assert half.single_query.units == 20


def test_one_identity_cannot_be_resampled() -> None:
    ap = np.array([0.1, 0.2, 0.4])
    pids = np.array([7, 7, 7])
    with pytest.raises(UserError, match="of one identity"):
        compare(results(ap, pids), results(ap, pids), QUICK)
    empty = np.full(3, math.nan)
    with pytest.raises(UserError, match="no single-query is scored"):
        compare(results(empty, pids), results(empty, pids), QUICK)
