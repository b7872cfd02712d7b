"""Under torchreid's rules re-ranking is torchreid's own, as its engine calls it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from reid_srdl.config import Protocol
from reid_srdl.evaluation import evaluate_by
from reid_srdl.retrieval.features import Features, FeatureSet

SETS = 20


def people(seed: int) -> Features:
    """A random set with junk, distractors and queries without a match."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((12, 16))

    def draw(count: int, lowest: int) -> FeatureSet:
        pids = rng.integers(lowest, 11, count)
        x = centres[pids + 1] + rng.uniform(0.5, 1.5) * rng.standard_normal((count, 16))
        return FeatureSet(x.astype(np.float32), pids, rng.integers(1, 4, count))

    made = Features(draw(20, 1), draw(150, -1))
    made.query.pids[-1] = 77
    return made


def torchreids(features: Features, distance: str, k1: int, k2: int, lam: float) -> tuple:
    """Its final distances, CMC and mAP."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from torchreid.reid.metrics import compute_distance_matrix
        from torchreid.reid.metrics.rank import evaluate_rank
        from torchreid.reid.utils.rerank import re_ranking
    query, gallery = features.query, features.gallery
    q, g = (torch.from_numpy(part.features) for part in (query, gallery))
    tables = [compute_distance_matrix(*pair, distance).numpy() for pair in ((q, g), (q, q), (g, g))]
    final = re_ranking(*tables, k1=k1, k2=k2, lambda_value=lam)
    labels = (query.pids, gallery.pids, query.camids, gallery.camids)
    return final, *evaluate_rank(final, *labels, use_cython=False)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize(("k1", "k2", "lam"), [(20, 6, 0.3), (8, 1, 0.1), (11, 4, 0.7)])
def test_re_ranking_on_20_random_sets_is_torchreids(
    distance: str, k1: int, k2: int, lam: float
) -> None:
    chosen = {"method": "k-reciprocal", "k1": k1, "k2": k2, "lambda": lam}
    settings = Protocol(rules="torchreid", distance=distance, rerank=chosen)
    others = 0
    for seed in range(SETS):
        features = people(seed)
        final, curve, mean_ap = torchreids(features, distance, k1, k2, lam)
        result = evaluate_by(features, settings)
        for found in result.lists(150):
            theirs = final[found.query, found.gallery]
            assert np.abs(found.distances - theirs).max() < 1e-6
        scores = result.evaluation.single_query
        assert scores.mAP == pytest.approx(mean_ap, abs=1e-6)
        for k in (1, 5, 10, 20):
            assert getattr(scores, f"rank{k}") == pytest.approx(curve[k - 1], abs=1e-6)
        assert scores.skipped >= 1
        ours = evaluate_by(features, settings.model_copy(update={"rules": "ours"}))
        others += ours.evaluation.single_query.mAP != scores.mAP
    assert others == SETS  # to square once is another ranking, and junk counts there


def test_the_rules_say_whose_re_ranking_it_is() -> None:
    features = people(0)
    told = [
        evaluate_by(
            features, Protocol(rules=rules, rerank={"method": "k-reciprocal"})
        ).evaluation.protocol
        for rules in ("ours", "torchreid")
    ]
    assert "torchreid" not in told[0].rerank_note
    assert "torchreid" in told[1].rerank_note
    assert "squared again" in told[1].rerank_note
