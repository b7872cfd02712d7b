"""Other codes' rules, against torchreid's own evaluation and the official one's loop."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

from reid_srdl.config import EvalConfig, fingerprint, resolve
from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation import Scored, evaluate
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.rank_lists import rank_lists
from reid_srdl.methods import OPTIONS
from reid_srdl.report.evaluation import evaluation_table, rule_warnings, skipped_warnings
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.result import Rules
from tests.retrieval.brute import random_features

KS = (1, 5, 10, 20)


def features_with_everything(seed: int = 0) -> Features:
    """Junk and distractors in the gallery, two queries without a match, features that tell."""
    rng = np.random.default_rng(seed)
    base = random_features(rng, queries=60, gallery=500, dim=24, ids=15)
    people = rng.standard_normal((17, 24)) * 0.7

    def pulled(part: FeatureSet, pids: np.ndarray) -> FeatureSet:
        x = (part.features + people[pids + 1]).astype(np.float32)
        return FeatureSet(x, pids, part.camids)

    query = pulled(base.query, base.query.pids)
    query.pids[[7, 30]] = 99  # nobody's
    made = Features(query, pulled(base.gallery, base.gallery.pids))
    assert (made.gallery.pids == -1).sum() > 10
    return made


def double_distances(features: Features, distance: str) -> np.ndarray:
    q, g = (part.features.astype(np.float64) for part in (features.query, features.gallery))
    if distance == "cosine":
        q, g = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, g))
        return 1 - q @ g.T
    return ((q[:, None] - g[None]) ** 2).sum(axis=2)


def torchreids(features: Features, distance: str) -> tuple[np.ndarray, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchreid.reid.metrics.rank import evaluate_rank
    query, gallery = features.query, features.gallery
    labels = (query.pids, gallery.pids, query.camids, gallery.camids)
    table = double_distances(features, distance)
    curve, mean_ap = evaluate_rank(table, *labels, use_cython=False)
    return curve, float(mean_ap)


def officials(features: Features) -> tuple[np.ndarray, float]:
    """The official code's loop over the list, query by query, in its own terms."""
    query, gallery = features.query, features.gallery
    order = np.argsort(double_distances(features, "cosine"), axis=1, kind="stable")
    aps, curves = [], []
    for q in range(len(query)):
        same = gallery.pids == query.pids[q]
        own = gallery.camids == query.camids[q]
        good = set(np.flatnonzero(same & ~own).tolist())
        junk = set(np.flatnonzero((gallery.pids == -1) | (same & own)).tolist())
        curve = np.zeros(len(gallery))
        old_recall, old_precision, ap = 0.0, 1.0, 0.0
        found = passed = skipped = 0
        for place, image in enumerate(order[q].tolist()):
            if image in junk:
                skipped += 1
                continue
            if image in good:
                curve[place - skipped :] = 1
                found += 1
            recall = found / len(good) if good else math.nan
            precision = found / (passed + 1)
            ap += (recall - old_recall) * (old_precision + precision) / 2
            old_recall, old_precision = recall, precision
            passed += 1
            if found == len(good):
                break
        aps.append(0.0 if math.isnan(ap) else ap)
        curves.append(curve)
    return np.mean(curves, axis=0), float(np.mean(aps))


@pytest.mark.parametrize("engine", ["count", "faiss"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_torchreids_rules_equal_torchreid_on_junk_and_unmatched_queries(
    engine: str, distance: str
) -> None:
    features = features_with_everything()
    result = evaluate(features, Protocol(rules="torchreid", distance=distance), engine=engine)
    scores = result.evaluation.single_query
    curve, mean_ap = torchreids(features, distance)
    assert scores.mAP == pytest.approx(mean_ap, abs=1e-12)
    for k in KS:
        assert getattr(scores, f"rank{k}") == pytest.approx(curve[k - 1], abs=1e-6)
    assert (scores.queries, scores.skipped) == (58, 2)
    ours = evaluate(features, Protocol(distance=distance)).evaluation.single_query
    assert ours.mAP > scores.mAP  # junk is no negative there


def test_torchreid_knows_minus_one_as_an_identity() -> None:
    features = features_with_everything(1)
    features.query.pids[3] = -1
    result = evaluate(features, Protocol(rules="torchreid"))
    assert result.single.matched[3]
    assert not evaluate(features).single.matched[3]
    _, mean_ap = torchreids(features, "euclidean")
    assert result.evaluation.single_query.mAP == pytest.approx(mean_ap, abs=1e-12)


def test_fastreids_rules_are_torchreids_with_cosine_and_minp() -> None:
    features = features_with_everything(2)
    result = evaluate(features, Protocol(rules="fastreid"))
    scores, rules = result.evaluation.single_query, result.evaluation.protocol
    assert (rules.distance, rules.normalize) == ("cosine", True)
    curve, mean_ap = torchreids(features, "cosine")
    assert scores.mAP == pytest.approx(mean_ap, abs=1e-12)
    assert scores.rank1 == pytest.approx(curve[0], abs=1e-6)
    order = np.argsort(double_distances(features, "cosine"), axis=1)
    inps = []
    for q, row in enumerate(order):
        g = features.gallery
        same = g.pids[row] == features.query.pids[q]
        hits = same[~(same & (g.camids[row] == features.query.camids[q]))]
        if hits.any():
            inps.append(hits.sum() / (np.flatnonzero(hits)[-1] + 1))
    assert scores.mINP == pytest.approx(np.mean(inps), abs=1e-12)


@pytest.mark.parametrize("engine", ["count", "faiss"])
def test_official_rules_equal_the_official_loop(engine: str) -> None:
    features = features_with_everything(3)
    result = evaluate(features, Protocol(rules="official"), engine=engine)
    scores = result.evaluation.single_query
    curve, mean_ap = officials(features)
    assert scores.mAP_trapezoid == pytest.approx(mean_ap, abs=1e-12)
    for k in KS:
        assert getattr(scores, f"rank{k}") == pytest.approx(curve[k - 1], abs=1e-12)
    assert (scores.queries, scores.skipped) == (60, 0)
    assert result.single.ap[7] == result.single.inp[7] == result.single.first_rank[7] == 0
    left_out = evaluate(features, Protocol(normalize=True)).evaluation.single_query
    for key in ("mAP", "mAP_trapezoid", "mINP", "rank1", "rank20"):
        assert getattr(scores, key) == pytest.approx(getattr(left_out, key) * 58 / 60)


def test_where_all_rules_agree_they_give_the_same_bits() -> None:
    features = features_with_everything(4)
    g, kept = features.gallery, np.flatnonzero(features.gallery.pids != -1)
    query = dataclasses.replace(features.query, pids=np.where(features.query.pids == 99, 1, 2))
    clean = Features(query, FeatureSet(g.features[kept], g.pids[kept], g.camids[kept]))
    scores = {
        evaluate(clean, Protocol(rules=rules, distance="cosine")).evaluation.single_query
        for rules in CONVENTIONS
    }
    assert len(scores) == 1


def test_unmatched_multi_queries_count_as_zero_for_the_official_code() -> None:
    features = features_with_everything(5)
    boxes = features.gallery
    both = dataclasses.replace(features, boxes=boxes)
    ours, official = (
        evaluate(both, Protocol(rules=rules, normalize=True)) for rules in ("ours", "official")
    )
    assert ours.multi is not None
    assert official.multi is not None
    skipped = int((~ours.multi.matched).sum())
    assert skipped
    a, b = ours.evaluation.multi_query, official.evaluation.multi_query
    assert b.mAP == pytest.approx(a.mAP * a.queries / b.queries)
    assert (b.queries, b.skipped) == (a.queries + skipped, 0)
    assert f"{skipped} of" in _warned(both, official)[1]


def _warned(features: Features, result: Scored) -> list[str]:
    return rule_warnings(result, features.gallery.labels)


def test_what_is_unusual_is_warned_of() -> None:
    features = features_with_everything()
    assert _warned(features, evaluate(features)) == []
    official = evaluate(features, Protocol(rules="official"))
    assert _warned(features, official) == ["2 of 60 queries without a match count as 0"]
    assert skipped_warnings(official.evaluation) == []
    junk = (features.gallery.pids == -1).sum()
    for rules in ("torchreid", "fastreid"):
        result = evaluate(features, Protocol(rules=rules))
        (line,) = _warned(features, result)
        assert line.startswith(f"{junk} gallery images of pid -1 count as negatives: {rules}")
        assert len(skipped_warnings(result.evaluation)) == 1


def test_results_name_their_rules_and_quirks() -> None:
    features = features_with_everything()
    for rules, convention in CONVENTIONS.items():
        evaluation = evaluate(features, Protocol(rules=rules)).evaluation
        assert evaluation.protocol.rules == rules
        assert evaluation.protocol.not_reproduced == convention.not_reproduced
        notes = "\n".join(evaluation_table(evaluation, "x").notes)
        assert (f"rules of {rules}" in notes) == (rules != "ours")
        for quirk in convention.not_reproduced:
            assert quirk in notes
        assert Rules.model_validate_json(evaluation.protocol.model_dump_json()) == (
            evaluation.protocol
        )
    assert "mAP_trapezoid" in CONVENTIONS["official"].ap


def test_rank_lists_follow_the_rules() -> None:
    features = features_with_everything()
    pids = features.gallery.pids
    with_junk = rank_lists(features, Protocol(rules="torchreid"), 50)
    without = rank_lists(features, Protocol(), 50)
    assert any((pids[found.gallery] == -1).any() for found in with_junk)
    assert not any((pids[found.gallery] == -1).any() for found in without)


def test_rules_imply_only_what_is_not_given() -> None:
    assert Protocol(rules="official") == Protocol(rules="official", normalize=True)
    assert EvalConfig(rules="official").normalize
    assert not Protocol(rules="official", normalize=False).normalize
    assert Protocol(rules="fastreid").distance == "cosine"
    assert EvalConfig(rules="fastreid", distance="euclidean").distance == "euclidean"
    assert EvalConfig(rules="torchreid") == EvalConfig(
        rules="torchreid", distance="euclidean", normalize=False
    )
    with pytest.raises(ValueError, match="rules"):
        Protocol(rules="nobody")


def test_rules_that_are_the_default_leave_the_fingerprint() -> None:
    plain = resolve({}, OPTIONS)
    assert fingerprint(plain) == fingerprint(resolve({"eval": {"rules": "ours"}}, OPTIONS))
    assert fingerprint(plain) != fingerprint(resolve({"eval": {"rules": "torchreid"}}, OPTIONS))
