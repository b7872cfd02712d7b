"""Re-ranking against a dense oracle written from the paper's equations; query expansion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reid_srdl.config import Expand, Protocol, Rerank
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate, evaluate_by
from reid_srdl.reranking import bounds, encoding, jaccard, neighbours, ranked
from reid_srdl.reranking.expansion import expand
from reid_srdl.reranking.rerank import KReciprocalRanker
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.multi_query import pool
from reid_srdl.retrieval.rows import rows_of
from tests.retrieval.brute import brute_ranks, random_features


def dense_final(
    query: NDArray[np.float64], gallery: NDArray[np.float64], k1: int, k2: int, lam: float
) -> NDArray[np.float64]:
    """The final distances, Q x G: sets as Python sets, V and all distances dense, float64."""
    x = np.concatenate([query, gallery])
    count = len(x)
    d = ((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)
    d /= d.max(axis=1, keepdims=True)
    order = [sorted(range(count), key=lambda j: (j != i, d[i, j], j)) for i in range(count)]

    def reciprocal(p: int, k: int) -> set[int]:
        return {j for j in order[p][: k + 1] if p in order[j][: k + 1]}

    v = np.zeros((count, count))
    for p in range(count):
        core = reciprocal(p, k1)
        wider = set(core)
        for c in core:
            candidate = reciprocal(c, int(np.around(k1 / 2)))
            if len(candidate & core) > 2 / 3 * len(candidate):
                wider |= candidate
        members = sorted(wider)
        v[p, members] = np.exp(-d[p, members])
        v[p] /= v[p].sum()
    v = np.stack([v[order[p][:k2]].mean(axis=0) for p in range(count)])
    q = len(query)
    least = np.minimum(v[:q, None, :], v[None, q:, :]).sum(axis=2)
    most = np.maximum(v[:q, None, :], v[None, q:, :]).sum(axis=2)
    return (1 - lam) * (1 - least / most) + lam * d[:q, q:]


def people(seed: int, *, queries: int = 25, gallery: int = 260, spread: float = 1.2) -> Features:
    """Features that gather around their identities, with junk and distractors."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((14, 16))

    def draw(count: int, lowest: int) -> FeatureSet:
        pids = rng.integers(lowest, 13, count)
        x = centres[pids + 1] + spread * rng.standard_normal((count, 16))
        return FeatureSet(x.astype(np.float32), pids, rng.integers(1, 4, count))

    return Features(draw(queries, 1), draw(gallery, -1))


def _expected(features: Features, k1: int, k2: int, lam: float) -> list[float]:
    kept = features.gallery.pids != -1
    final = np.full((len(features.query), len(kept)), np.inf)
    wide = features.query.features.astype(np.float64)
    final[:, kept] = dense_final(
        wide, features.gallery.features[kept].astype(np.float64), k1, k2, lam
    )
    ranks = brute_ranks(features.query, features.gallery, final.round(12))
    return [sum(i / r for i, r in enumerate(found, 1)) / len(found) for found in ranks if found]


@pytest.mark.parametrize(
    ("k1", "k2", "lam"), [(20, 6, 0.3), (7, 1, 0.0), (5, 3, 0.8), (1, 2, 0.5), (30, 6, 0.1)]
)
@pytest.mark.parametrize("small", [False, True], ids=["one block", "small blocks"])
@pytest.mark.parametrize("unit", [2.0**-24, 1e-3, 1e3], ids=["few open", "many open", "all open"])
def test_the_dense_oracle_agrees(
    k1: int, k2: int, lam: float, small: bool, unit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaccard, "UNIT", unit)  # wider windows leave more to be compared singly
    if small:
        monkeypatch.setattr(neighbours, "_BLOCK", 2000)
        monkeypatch.setattr(neighbours, "_GROUP", 3)
        monkeypatch.setattr(bounds, "_DIMS", (2, 4))
        monkeypatch.setattr(encoding, "_ROWS", 11)
        monkeypatch.setattr(jaccard, "_SHARED", 700)
        monkeypatch.setattr(ranked, "_QUERIES", 5)
        monkeypatch.setattr(ranked, "_MASKED", 300)
    features = people(k1)
    result = evaluate(features, ranker=KReciprocalRanker(k1, k2, lam))
    expected = _expected(features, k1, k2, lam)
    assert result.single.ap[result.single.matched] == pytest.approx(expected, abs=1e-9)
    assert result.evaluation.single_query.mAP == pytest.approx(np.mean(expected), abs=1e-9)


def test_lambda_1_is_the_plain_ranking_and_features_may_lie_far_out() -> None:
    features = people(1)
    plain = evaluate(features).evaluation.single_query
    ranker = KReciprocalRanker(20, 6, 1.0)
    assert evaluate(features, ranker=ranker).evaluation.single_query == plain
    moved = Features(
        FeatureSet(features.query.features + 64, features.query.pids, features.query.camids),
        FeatureSet(features.gallery.features + 64, features.gallery.pids, features.gallery.camids),
    )
    ours = evaluate(features, ranker=KReciprocalRanker()).evaluation.single_query
    theirs = evaluate(moved, ranker=KReciprocalRanker()).evaluation.single_query
    assert theirs.mAP == pytest.approx(ours.mAP, abs=1e-4)
    assert ours.mAP > plain.mAP + 0.01


def test_duplicates_everywhere_do_no_harm() -> None:
    features = random_features(
        np.random.default_rng(0), queries=20, gallery=200, dim=3, ids=9, values=np.float32([0, 1])
    )
    score = evaluate(features, ranker=KReciprocalRanker()).evaluation.single_query.mAP
    assert 0 < score < 1


def test_settings_reach_the_ranker_and_the_rules() -> None:
    settings = Protocol(rerank=Rerank(method="k-reciprocal", k1=9, k2=3, lambda_=0.5))
    result = evaluate_by(people(2), settings).evaluation
    same = evaluate(people(2), settings, ranker=KReciprocalRanker(9, 3, 0.5)).evaluation
    assert result == same
    assert "k1 9, k2 3, lambda 0.5" in result.protocol.rerank_note
    assert result.protocol.rerank == settings.rerank


def test_what_does_not_fit_is_an_error() -> None:
    features = people(3, queries=4, gallery=10)
    for settings, told in (
        (Protocol(rerank=Rerank(method="k-reciprocal", k1=14)), "k1 = 14"),
        (Protocol(rerank=Rerank(method="k-reciprocal", k1=5, k2=7)), "k2 = 7"),
        (Protocol(rerank=Rerank(method="k-reciprocal"), index="Flat"), "--rerank and --index"),
        (Protocol(expand=Expand(method="aqe", n=11)), "query expansion by 11"),
        (Protocol(expand=Expand(method="alpha-qe", n=3)), "features are raw"),
    ):
        with pytest.raises(UserError, match=told):
            evaluate_by(features, settings)


def test_aqe_is_the_mean_with_the_nearest() -> None:
    features = people(4)
    q, g = features.query.features, features.gallery.features
    got = expand(rows_of(q), rows_of(g), "aqe", n=5).block(0, len(q))
    for row, query in enumerate(q):
        nearest = g[np.argsort(((g - query) ** 2).sum(axis=1))[:5]]
        assert got[row] == pytest.approx(np.vstack([query[None], nearest]).mean(axis=0), abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_alpha_qe_weighs_by_powers_of_cosines(alpha: float) -> None:
    features = people(5)
    q, g = features.query.features, features.gallery.features
    rows = rows_of(q, normalize=True), rows_of(g, normalize=True)
    got = expand(*rows, "alpha-qe", n=7, alpha=alpha).block(0, len(q))
    unit_q = q / np.linalg.norm(q, axis=1, keepdims=True)
    unit_g = g / np.linalg.norm(g, axis=1, keepdims=True)
    for row, query in enumerate(unit_q):
        cosines = unit_g @ query
        nearest = np.argsort(-cosines)[:7]
        total = query + (np.maximum(cosines[nearest], 0) ** alpha) @ unit_g[nearest]
        assert got[row] == pytest.approx(total / np.linalg.norm(total), abs=1e-5)


@pytest.mark.parametrize("how", ["aqe", "alpha-qe"])
def test_expansion_ranks_by_the_expanded_query_and_says_so(how: str) -> None:
    features = people(6)
    settings = Protocol(expand={"method": how, "n": 4}, distance="cosine")  # type: ignore[arg-type]
    result = evaluate_by(features, settings).evaluation
    rows = (rows_of(part.features, normalize=True) for part in (features.query, features.gallery))
    kept = np.flatnonzero(features.gallery.pids != -1)
    query, gallery = rows
    new = expand(query, gallery.select(kept), how, n=4)  # type: ignore[arg-type]
    by_hand = Features(
        FeatureSet(new.features, features.query.pids, features.query.camids), features.gallery
    )
    expected = evaluate_by(by_hand, Protocol(distance="cosine")).evaluation
    assert result.single_query == expected.single_query
    assert result.protocol.expand_note.startswith(f"{how}: n 4")


@pytest.mark.parametrize("how", ["aqe", "alpha-qe"])
def test_multi_queries_are_expanded_as_single_ones_are(how: str) -> None:
    features = people(7)
    pids, camids = (np.repeat(a, 2) for a in (features.query.pids, features.query.camids))
    drawn = np.random.default_rng(7).standard_normal((len(pids), features.query.features.shape[1]))
    boxes = FeatureSet(drawn.astype(np.float32) * 5, pids, camids)
    settings = Protocol(expand={"method": how, "n": 4}, normalize=True)  # type: ignore[arg-type]
    both = evaluate_by(Features(features.query, features.gallery, boxes), settings)
    assert both.evaluation.single_query == evaluate_by(features, settings).evaluation.single_query
    assert both.multi is not None
    rows = rows_of(boxes.features, normalize=True)
    wanted = Labels(both.multi.pids, both.multi.camids)
    pooled, _ = pool(rows, boxes.labels, wanted, "mean")
    alone = Features(FeatureSet(pooled, wanted.pids, wanted.camids), features.gallery)
    assert both.evaluation.multi_query == evaluate_by(alone, settings).evaluation.single_query
