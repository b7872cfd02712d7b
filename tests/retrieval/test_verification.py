"""Verification: rates equal scikit-learn's on all pairs, ties and blocks included."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from reid_srdl import Protocol, evaluate_distances
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate_by
from reid_srdl.retrieval import given
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.result import Evaluation, Verification
from reid_srdl.verification import pairs
from reid_srdl.verification.cells import cells_of, last_of
from tests.retrieval.brute import random_features
from tests.retrieval.test_given import labels

RATES = (1e-1, 1e-2, 1e-3, 1e-4)


def oracle(people: Features, distances: Any, *, junk_ignored: bool = True) -> Any:
    """scikit-learn's curve over all pairs that count: (fpr, tpr, thresholds as distances)."""
    query, gallery = people.query, people.gallery
    same = query.pids[:, None] == gallery.pids
    counts = ~(same & (query.camids[:, None] == gallery.camids))
    counts &= (gallery.pids != -1) | (not junk_ignored)
    found = roc_curve(same[counts], -np.asarray(distances)[counts], drop_intermediate=False)
    return found[0], found[1], -found[2]


def assert_equal(found: Verification, curve: Any) -> None:
    fpr, tpr, thresholds = curve
    for point, rate in zip(found.at, RATES, strict=True):
        last = np.flatnonzero(fpr <= rate)[-1]
        assert (point.fpr, point.tpr) == (fpr[last], tpr[last])
        assert point.threshold == (None if last == 0 else thresholds[last])
    for one in found.curve:
        within = 0 if one.threshold is None else np.flatnonzero(thresholds <= one.threshold)[-1]
        assert (one.fpr, one.tpr) == (fpr[within], tpr[within])
    assert (found.curve[-1].fpr, found.curve[-1].tpr) == (1, 1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_VALUES", 300)
    monkeypatch.setattr(given, "_BLOCK_VALUES", 300)


@pytest.mark.parametrize("values", [None, 2, 5])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_features_equal_sklearn(values: int | None, distance: Any) -> None:
    drawn = None if values is None else np.arange(values, dtype=np.float32) + 1
    for seed in range(5):
        people = random_features(np.random.default_rng(seed), queries=25, gallery=90, values=drawn)
        protocol = Protocol(distance=distance)
        scored = evaluate_by(people, protocol, verify=1e-2)
        lists = scored.lists(90)
        shown = np.full((25, 90), np.nan)
        for found in lists:
            shown[found.query, found.gallery] = found.distances
        found = scored.evaluation.verification
        assert found is not None
        assert_equal(found, oracle(people, shown))
        assert found.same_person == found.at[1]


@pytest.mark.parametrize("rules", ["ours", "torchreid"])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_given_distances_equal_sklearn(rules: Any, kind: type) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        people = random_features(rng, queries=25, gallery=90)
        table = (rng.integers(-9, 40, (25, 90)) / 8).astype(kind)  # also below 0
        scored = evaluate_distances(
            table, **labels(people), protocol=Protocol(rules=rules), verify=0.3
        )
        found = scored.evaluation.verification
        assert found is not None
        curve = oracle(people, table.astype(np.float64), junk_ignored=rules == "ours")
        assert_equal(found, curve)
        assert found.same_person.tpr == curve[1][np.flatnonzero(curve[0] <= 0.3)[-1]]


def test_cells_keep_the_order_of_values() -> None:
    rng = np.random.default_rng(0)
    values = np.sort(np.concatenate([rng.normal(size=999), 1e9 * rng.normal(size=99), [0, -0.0]]))
    cells = cells_of(values)
    assert (np.diff(cells) >= 0).all()
    assert (last_of(cells) >= values).all()
    assert (cells_of(last_of(cells)) == cells).all()
    assert (cells_of(np.nextafter(last_of(cells), np.inf)) == cells + 1).all()


def people_of(rng: np.random.Generator, queries: int) -> Features:
    """Features by which one person's images lie nearer to each other than to others'."""
    centres = rng.standard_normal((40, 8))

    def side(count: int, camera: int) -> FeatureSet:
        pids = rng.integers(1, 41, count)
        x = centres[pids - 1] + 0.7 * rng.standard_normal((count, 8))
        return FeatureSet(x.astype(np.float32), pids, np.full(count, camera))

    return Features(side(queries, 1), side(400, 2))


def test_intervals_hold_the_rates_and_are_the_same_each_time() -> None:
    people = people_of(np.random.default_rng(0), 120)
    first, again = (
        evaluate_by(people, Protocol(), verify=1e-2).evaluation.verification for _ in range(2)
    )
    assert first == again
    assert first is not None
    for point in (first.same_person, *first.at[:2]):
        assert point.tpr_interval is not None
        assert point.threshold_interval is not None
        assert point.threshold is not None
        low, high = point.tpr_interval
        assert low < point.tpr < high
        assert 0.02 < high - low < 0.4
        low, high = point.threshold_interval
        assert low < point.threshold < high


def test_it_is_in_json_only_where_it_was_asked_for() -> None:
    people = people_of(np.random.default_rng(0), 20)
    without = evaluate_by(people, Protocol()).evaluation
    asked = evaluate_by(people, Protocol(), verify=1e-2).evaluation
    assert "verification" not in json.loads(without.model_dump_json())
    text = asked.model_dump_json()
    assert "verification" in json.loads(text)
    assert Evaluation.model_validate_json(text) == asked
    assert asked.model_copy(update={"verification": None}) == without


def test_one_identity_has_no_interval_and_no_others_are_an_error() -> None:
    rows = {
        "query_pids": [1],
        "query_camids": [1],
        "gallery_pids": [1, 2],
        "gallery_camids": [2, 2],
    }
    scored = evaluate_distances(np.array([[0.5, 0.2]]), **rows, verify=0.5)
    found = scored.evaluation.verification
    assert found is not None
    assert found.same_person.tpr_interval is None
    assert (found.same_person.threshold, found.same_person.tpr) == (None, 0)
    rows["gallery_pids"] = [1, 1]
    with pytest.raises(UserError, match="no image of another person"):
        evaluate_distances(np.array([[0.5, 0.2]]), **rows, verify=0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gallery": "single-shot"}, "--gallery single-shot"),
        ({"rerank": {"method": "k-reciprocal", "k1": 3}}, "--rerank"),
        ({"expand": {"method": "aqe", "n": 2}}, "--expand"),
    ],
)
def test_other_distances_than_the_pairs_are_refused(settings: Any, words: str) -> None:
    people = people_of(np.random.default_rng(0), 20)
    with pytest.raises(UserError, match=words):
        evaluate_by(people, Protocol(**settings), verify=0.5)


def test_matches_of_the_own_camera_count_where_they_are_kept() -> None:
    people = random_features(np.random.default_rng(3), queries=25, gallery=90)
    table = np.random.default_rng(4).random((25, 90))
    kept = evaluate_distances(
        table, **labels(people), protocol=Protocol(same_camera="keep"), verify=0.1
    ).evaluation.verification
    same = people.query.pids[:, None] == people.gallery.pids
    counts = np.broadcast_to(people.gallery.pids != -1, same.shape)
    assert kept is not None
    found = roc_curve(same[counts], -table[counts], drop_intermediate=False)
    assert_equal(kept, (found[0], found[1], -found[2]))
    protocol = Protocol(same_camera="keep")
    by_features = evaluate_by(people, protocol, verify=0.1).evaluation.verification
    assert by_features is not None
    assert (by_features.matches, by_features.others) == (kept.matches, kept.others)
    left_out = evaluate_distances(table, **labels(people), verify=0.1).evaluation.verification
    assert left_out is not None
    assert kept.matches > left_out.matches
