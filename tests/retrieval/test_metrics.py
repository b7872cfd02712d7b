"""Metrics against closed forms, scikit-learn and torchreid."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation import evaluate
from reid_srdl.retrieval import metrics
from reid_srdl.retrieval.features import Features, FeatureSet
from tests.retrieval.brute import random_features


def test_a_perfect_ranking_scores_one() -> None:
    ranks = [1, 2, 3, 4]
    assert metrics.average_precision(ranks) == 1
    assert metrics.average_precision_trapezoid(ranks) == 1
    assert metrics.inverse_negative_penalty(ranks) == 1


@pytest.mark.parametrize("k", [1, 2, 9])
def test_one_match_at_rank_k(k: int) -> None:
    assert metrics.average_precision([k]) == 1 / k
    assert metrics.average_precision_trapezoid([k]) == (1.0 if k == 1 else 1 / (2 * k))
    assert metrics.inverse_negative_penalty([k]) == 1 / k


def test_matches_behind_m_negatives() -> None:
    # n matches behind m negatives: AP = 1 - m/n (H_(n+m) - H_m)
    n, m = 5, 3
    harmonic = math.fsum(1 / k for k in range(m + 1, n + m + 1))
    ranks = list(range(m + 1, m + n + 1))
    assert metrics.average_precision(ranks) == pytest.approx(1 - m / n * harmonic, abs=1e-15)


def test_values_worked_out_by_hand() -> None:
    ranks = [1, 4, 6]
    assert metrics.average_precision(ranks) == pytest.approx((1 + 2 / 4 + 3 / 6) / 3)
    trapezoids = ((1 + 1) / 2 + (1 / 3 + 2 / 4) / 2 + (2 / 5 + 3 / 6) / 2) / 3
    assert metrics.average_precision_trapezoid(ranks) == pytest.approx(trapezoids)
    assert metrics.inverse_negative_penalty(ranks) == 0.5
    assert metrics.cmc(np.array([1, 4, 6, 6]), 5) == 0.5


def test_ap_equals_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(50)
        relevant = rng.random(50) < 0.2
        relevant[0] = True
        ranks = (np.flatnonzero(relevant[order]) + 1).tolist()
        values = np.empty(50)
        values[order] = -np.arange(50)
        theirs = average_precision_score(relevant, values)
        assert metrics.average_precision(ranks) == pytest.approx(theirs, abs=1e-12)
        assert metrics.average_precision_trapezoid(ranks) <= metrics.average_precision(ranks)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("engine", ["count", "faiss"])
def test_scores_equal_torchreids(distance: str, engine: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchreid.reid.metrics import compute_distance_matrix
        from torchreid.reid.metrics.rank import evaluate_rank
    import torch

    rng = np.random.default_rng(4)
    base = random_features(rng, queries=60, gallery=500, dim=24, ids=15)
    pids = np.maximum(base.gallery.pids, 0)  # torchreid has no rule for junk
    noise = rng.standard_normal((16, 24)) * 0.7

    def pulled(x: np.ndarray, pids: np.ndarray) -> np.ndarray:
        return (x + noise[pids]).astype(np.float32)

    query = FeatureSet(
        pulled(base.query.features, base.query.pids), base.query.pids, base.query.camids
    )
    gallery = FeatureSet(pulled(base.gallery.features, pids), pids, base.gallery.camids)
    ours = evaluate(
        Features(query, gallery),
        Protocol(distance=distance),
        engine=engine,  # type: ignore[arg-type]
    )
    table = compute_distance_matrix(
        torch.from_numpy(query.features).double(),
        torch.from_numpy(gallery.features).double(),
        distance,
    ).numpy()
    curve, mean_ap = evaluate_rank(
        table, query.pids, gallery.pids, query.camids, gallery.camids, use_cython=False
    )
    scores = ours.evaluation.single_query
    assert scores.mAP == pytest.approx(mean_ap, abs=1e-6)
    assert 0.1 < scores.mAP < 0.9
    for k in (1, 5, 10, 20):
        assert getattr(scores, f"rank{k}") == pytest.approx(curve[k - 1], abs=1e-6)


def test_no_match_at_all_has_no_scores() -> None:
    none = metrics.no_results(np.array([1]), np.array([1]), None)
    with pytest.raises(ValueError, match="no query"):
        metrics.scores(none)
