"""Single-shot evaluation against galleries drawn and ranked by hand."""

from __future__ import annotations

import itertools
import statistics
from typing import Literal

import numpy as np
import pytest

from reid_srdl.config.protocol import Expand, Protocol, Rerank
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored, evaluate, evaluate_by
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.seeds import generator
from tests.retrieval.brute import distance_table, random_features

SINGLE_SHOT = {"gallery": "single-shot"}


def single_shot(
    features: Features, engine: Literal["count", "faiss"] = "count", **settings: object
) -> Scored:
    protocol = Protocol(**{**SINGLE_SHOT, **settings})  # type: ignore[arg-type]
    return evaluate_by(features, protocol, engine=engine)


def rank_by_hand(features: Features, query: int, drawn: list[int], table: object) -> int:
    """The rank of a query's match among drawn gallery positions, ties by position; 0 without."""
    order = sorted(drawn, key=lambda j: (table[query][j], j))  # type: ignore[index]
    pids = [features.gallery.pids[j] for j in order]
    return 1 + pids.index(features.query.pids[query]) if features.query.pids[query] in pids else 0


def elsewhere(features: Features, camera: int) -> dict[int, list[int]]:
    """Gallery positions of each identity that other cameras saw, by identity."""
    found: dict[int, list[int]] = {}
    for j, (pid, camid) in enumerate(
        zip(features.gallery.pids, features.gallery.camids, strict=True)
    ):
        if pid > 0 and camid != camera:
            found.setdefault(int(pid), []).append(j)
    return dict(sorted(found.items()))


@pytest.mark.parametrize("values", [None, np.float32([0, 1])], ids=["distinct", "ties"])
@pytest.mark.parametrize("engine", ["count", "faiss"])
def test_every_trial_is_ranked_as_by_hand(values: object, engine: str) -> None:
    rng = np.random.default_rng(1)
    features = random_features(rng, queries=15, gallery=90, ids=8, dim=5, values=values)  # type: ignore[arg-type]
    assert {-1, 0} <= set(features.gallery.pids.tolist())
    table = distance_table(features.query, features.gallery)
    nobody = np.flatnonzero(features.gallery.pids == 0).tolist()
    trials, seed = 6, 3
    ranks = np.zeros((trials, 15), int)
    for query, camera in enumerate(features.query.camids.tolist()):
        images = elsewhere(features, camera)
        for trial in range(trials):
            sizes = np.array([len(own) for own in images.values()])
            draw = generator(seed, "single-shot", trial, camera).integers(0, sizes)
            drawn = [own[i] for own, i in zip(images.values(), draw, strict=True)]
            ranks[trial, query] = rank_by_hand(features, query, drawn + nobody, table)
    found = single_shot(features, trials=trials, trial_seed=seed, engine=engine)
    known = ranks[:, ranks[0] > 0]
    scores, spread = found.evaluation.single_query, found.evaluation.spread
    assert spread is not None
    assert (scores.queries, scores.skipped) == (known.shape[1], 15 - known.shape[1])
    assert scores.mAP == pytest.approx((1 / known).mean(), abs=1e-12)
    assert spread.mAP == pytest.approx(statistics.stdev((1 / known).mean(axis=1)), abs=1e-12)
    for k, name in ((1, "rank1"), (5, "rank5"), (10, "rank10"), (20, "rank20")):
        hits = (known <= k).mean(axis=1)
        assert getattr(scores, name) == pytest.approx(hits.mean(), abs=1e-12)
        assert getattr(spread, name) == pytest.approx(statistics.stdev(hits), abs=1e-12)
    per_query = found.single.ap[found.single.matched]
    assert per_query == pytest.approx((1 / known).mean(axis=0), abs=1e-12)
    medians = np.sort(known, axis=0)[(trials - 1) // 2]
    assert found.single.first_rank[found.single.matched].tolist() == medians.tolist()


def test_trials_approach_the_expectation_over_all_galleries() -> None:
    rng = np.random.default_rng(5)
    pids, camids = np.repeat([1, 2, 3], 4), np.tile([1, 2, 2, 2], 3)
    gallery = FeatureSet(rng.standard_normal((12, 3)).astype(np.float32), pids, camids)
    query = FeatureSet(rng.standard_normal((6, 3)).astype(np.float32), pids[::2], np.ones(6, int))
    features = Features(query, gallery)
    table = distance_table(query, gallery)
    galleries = list(itertools.product(*elsewhere(features, 1).values()))
    assert len(galleries) == 27
    every = [[rank_by_hand(features, q, list(g), table) for q in range(6)] for g in galleries]
    exact = (np.array(every) == 1).mean()
    trials = 3000
    found = single_shot(features, trials=trials).evaluation
    assert found.spread is not None
    assert found.spread.rank1 > 0.05
    assert abs(found.single_query.rank1 - exact) < 4 * found.spread.rank1 / trials**0.5


def test_one_image_of_each_identity_leaves_nothing_to_draw() -> None:
    rng = np.random.default_rng(2)
    pids = np.arange(1, 21)
    query = FeatureSet(rng.standard_normal((20, 4)).astype(np.float32), pids, np.ones(20, int))
    gallery = FeatureSet(
        rng.standard_normal((20, 4)).astype(np.float32), pids, 1 + np.ones(20, int)
    )
    features = Features(query, gallery)
    drawn = single_shot(features, trials=4)
    whole = evaluate(features)
    assert drawn.evaluation.single_query == whole.evaluation.single_query
    assert drawn.single.first_rank.tolist() == whole.single.first_rank.tolist()
    assert drawn.evaluation.spread is not None
    assert set(drawn.evaluation.spread.model_dump().values()) == {0.0}


def test_seeds_and_rules() -> None:
    features = random_features(np.random.default_rng(3), queries=30, gallery=200, ids=20)
    one = single_shot(features, trials=5)
    assert one.evaluation == single_shot(features, trials=5).evaluation
    other = single_shot(features, trials=5, trial_seed=1).evaluation
    assert other.single_query != one.evaluation.single_query
    rules = one.evaluation.protocol
    assert rules.gallery == "single-shot"
    assert "5 trials from seed 0" in rules.single_shot
    assert "mean reciprocal rank" in rules.ap
    assert rules.distractors == int((features.gallery.pids == 0).sum()) > 0
    assert one.multi is None
    assert single_shot(features, trials=1).evaluation.spread is not None


def test_rules_and_changes_apply_to_drawn_galleries() -> None:
    features = random_features(np.random.default_rng(4), queries=30, gallery=300, ids=25)
    lonely = FeatureSet(
        features.query.features, np.append(features.query.pids[:-1], 99), features.query.camids
    )
    features = Features(lonely, features.gallery)
    ours = single_shot(features, trials=4).evaluation.single_query
    zero = single_shot(features, trials=4, rules="official", normalize=False).evaluation
    assert ours.skipped == 1 + zero.single_query.skipped == 1
    assert zero.single_query.mAP == pytest.approx(ours.mAP * 29 / 30)
    theirs = single_shot(features, trials=4, rules="torchreid").evaluation.protocol
    assert any("eval_cuhk03" in quirk for quirk in theirs.not_reproduced)
    changed = single_shot(features, trials=4, rerank=Rerank(method="k-reciprocal", k1=5, k2=2))
    assert changed.evaluation.single_query != ours
    assert "k1 5" in changed.evaluation.protocol.rerank_note


def test_errors() -> None:
    query = FeatureSet(np.float32([[0]]), np.array([1]), np.array([1]))
    gallery = FeatureSet(np.float32([[1], [2]]), np.array([1, 2]), np.array([1, 2]))
    with pytest.raises(UserError, match="no query has a match"):
        single_shot(Features(query, gallery))
    changed = Protocol(rerank=Rerank(method="k-reciprocal"), expand=Expand(method="aqe"))
    with pytest.raises(UserError, match="re-ranking and query expansion: evaluate ranks"):
        evaluate(Features(query, gallery), changed)
