"""Ranks of every path against a full sort by the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid_srdl.evaluation import Counting
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.counting.frame import frame_for
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.counting.kernels.on_numpy import NumpyKernel
from reid_srdl.retrieval.counting.matches import find_targets
from reid_srdl.retrieval.counting.shard import ShardCount
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.ranks import Ranks, match_ranks, without_junk
from reid_srdl.retrieval.rows import rows_of
from reid_srdl.retrieval.rules import PidIndex
from tests.retrieval.brute import (
    brute_ranks,
    distance_table,
    folded,
    random_features,
    true_distance,
)
from tests.retrieval.engines import PATHS

_FEW = np.arange(3, dtype=np.float32)

every_path = pytest.mark.parametrize("path", PATHS)


def ranks_by(engine: Counting, features: Features) -> list[list[int]]:
    """Ranks of each query's matches, empty where there are none."""
    labels = features.gallery.labels
    gallery, kept = without_junk(rows_of(features.gallery.features), labels)
    query = features.query
    found: list[list[int]] = [[] for _ in range(len(query))]
    for run in match_ranks(rows_of(query.features), query.labels, gallery, kept, engine):
        for row, position in enumerate(run.query):
            found[position] = run.ranks[run.offsets[row] : run.offsets[row + 1]].tolist()
    return found


def expected(features: Features) -> list[list[int]]:
    table = distance_table(features.query, features.gallery)
    return brute_ranks(features.query, features.gallery, table)


@every_path
def test_ranks_of_a_ranking_made_by_hand(path: str) -> None:
    # On a line from the query at 0, by gallery index: junk nearest, then its own camera's image, a
    # negative, a match, a distractor at the match's very distance behind it, and the last match.
    gallery = FeatureSet(
        np.float32([[0], [1], [2], [3], [-3], [5], [9]]),
        np.array([-1, 4, 8, 4, 0, 4, 8]),
        np.array([2, 1, 2, 2, 2, 3, 1]),
    )
    query = FeatureSet(np.float32([[0], [0]]), np.array([4, 9]), np.array([1, 1]))
    assert ranks_by(PATHS[path](), Features(query, gallery)) == [[2, 4], []]


@every_path
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 5), span=st.integers(1, 4))
def test_ranks_with_many_ties_equal_a_full_sort(path: str, seed: int, dim: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    features = random_features(rng, dim=dim, values=np.arange(span, dtype=np.float32))
    assert ranks_by(PATHS[path](), features) == expected(features)


@every_path
def test_all_distances_equal_leave_the_gallery_order(path: str) -> None:
    features = random_features(np.random.default_rng(3), values=np.float32([1.5]))
    assert ranks_by(PATHS[path](), features) == expected(features)


@every_path
@pytest.mark.parametrize("dim", [3, 64, 700])
@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_near_ties_are_decided_by_the_definition(path: str, dim: int, shift: float) -> None:
    """All gallery images lie on nearly one sphere around each query, with duplicates among them."""
    rng = np.random.default_rng(dim)
    features = _near_ties(rng, dim, shift)
    engine = PATHS[path]()
    assert ranks_by(engine, features) == expected(features)
    assert engine.undecided > 0


def _near_ties(rng: np.random.Generator, dim: int, shift: float) -> Features:
    base = rng.standard_normal(dim)
    signs = rng.choice([-1.0, 1.0], (40, dim))
    gallery = (base * signs + shift).astype(np.float32)  # equally far from the shift's own point
    steps = rng.integers(-2, 3, gallery.shape).astype(np.float32)
    gallery += steps * np.spacing(gallery)
    gallery[25:] = gallery[rng.integers(0, 25, 15)]
    query = np.full((4, dim), shift, np.float32)
    query += rng.integers(0, 2, query.shape) * np.spacing(query)
    pids, camids = rng.integers(0, 3, 40), rng.integers(1, 3, 40)
    return Features(
        FeatureSet(query, np.array([1, 1, 2, 2]), np.array([1, 2, 3, 3])),
        FeatureSet(gallery, pids, camids),
    )


def test_where_the_true_distances_differ_clearly_the_definition_orders_by_them() -> None:
    features = _near_ties(np.random.default_rng(5), 33, 300.0)
    q, g = features.query.features, features.gallery.features
    table = distance_table(features.query, features.gallery)
    exact = [[true_distance(a, b) for b in g] for a in q]
    for row, true in zip(table, exact, strict=True):
        for value, truth in zip(row, true, strict=True):
            assert abs(value - float(truth)) <= 1e-14 * float(truth)
    assert folded([1.0, 2.0, 4.0, 8.0, 16.0]) == 31.0


@every_path
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_features_of_any_magnitude(path: str, scale: float) -> None:
    features = random_features(np.random.default_rng(11), dim=20)
    scaled = Features(_times(features.query, scale), _times(features.gallery, scale))
    engine = PATHS[path]()
    assert ranks_by(engine, scaled) == expected(scaled)
    if path != "plain":
        assert engine.undecided < 60  # the frame's scale keeps float32 useful


def _times(part: FeatureSet, scale: float) -> FeatureSet:
    values = (part.features * np.float64(scale)).astype(np.float32)
    return FeatureSet(values, part.pids, part.camids)


@every_path
def test_a_shift_costs_no_decisions_beyond_rounding(path: str) -> None:
    rng = np.random.default_rng(2)
    features = random_features(rng, queries=40, gallery=400, dim=512, ids=20)
    shifted = Features(*(_plus(p, 300) for p in (features.query, features.gallery)))
    engine = PATHS[path]()
    ranks = ranks_by(engine, shifted)
    pairs = sum(len(r) for r in ranks) * 400
    if path != "plain":
        assert engine.undecided < pairs / 200
    table = _wide_table(shifted)
    assert ranks == brute_ranks(shifted.query, shifted.gallery, table)


def _plus(part: FeatureSet, shift: float) -> FeatureSet:
    return FeatureSet(part.features + np.float32(shift), part.pids, part.camids)


def _wide_table(features: Features) -> NDArray[np.float64]:
    q = features.query.features.astype(np.float64)
    g = features.gallery.features.astype(np.float64)
    return np.asarray(((q[:, None] - g[None]) ** 2).sum(axis=2))


@every_path
def test_float16_features_count_as_their_exact_values(path: str) -> None:
    features = random_features(np.random.default_rng(8), dim=6)
    half = Features(*(_half(p) for p in (features.query, features.gallery)))
    assert ranks_by(PATHS[path](), half) == expected(half)


def _half(part: FeatureSet) -> FeatureSet:
    return FeatureSet(part.features.astype(np.float16), part.pids, part.camids)


def test_runs_of_queries_give_the_same_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    features = random_features(np.random.default_rng(9), queries=30)
    whole = ranks_by(PATHS["count numpy"](), features)
    monkeypatch.setattr("reid_srdl.retrieval.ranks._PAIRS", 12)
    assert ranks_by(PATHS["count numpy"](), features) == whole == expected(features)


@every_path
def test_equal_rows_are_decided_as_one_by_one(path: str) -> None:
    # Dead units: many images have the very same features, zeros or not.
    rng = np.random.default_rng(13)
    features = random_features(rng, queries=20, gallery=150, dim=7)
    for part in (features.query, features.gallery):
        part.features[rng.random(len(part)) < 0.6] = 0
        part.features[rng.random(len(part)) < 0.2] = [1, -0.0, 0, 2, 0, 0, 0]
    assert ranks_by(PATHS[path](), features) == expected(features)


def test_undecided_pairs_are_settled_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    features = random_features(np.random.default_rng(10), values=np.float32([0]))
    monkeypatch.setattr("reid_srdl.retrieval.counting.counter._PENDING", 3)
    monkeypatch.setattr("reid_srdl.retrieval.counting.pairs._EXACT_VALUES", 4)
    assert ranks_by(PATHS["count numpy"](), features) == expected(features)


def test_the_slots_of_shards_add_up() -> None:
    features = random_features(np.random.default_rng(12), queries=20, gallery=90, values=_FEW)
    labels = features.gallery.labels
    gallery, kept = without_junk(rows_of(features.gallery.features), labels)
    queries = rows_of(features.query.features)
    same = PidIndex(kept).same_pid(features.query.labels)
    targets = find_targets(queries, gallery, same)
    whole = CountEngine().slots(queries, gallery, targets)
    total = np.zeros_like(whole)
    for start, stop in ((0, 31), (31, 32), (32, len(gallery))):
        # A shard may choose a frame and a kernel of its own.
        frame = frame_for(queries, rows_of(gallery.block(start, stop)))
        shard = ShardCount(NumpyKernel(), Problem(frame, queries, gallery, targets))
        shard.add(start, stop, query_rows=7)
        total += shard.finish()
    assert whole.sum() > 0
    assert np.array_equal(total, whole)


def test_ranks_divide_at_any_query() -> None:
    whole = Ranks(
        np.array([1, 2, 5, 9]), np.array([0, 2, 3, 6, 7]), np.arange(7) * 10, np.arange(7)
    )
    parts = list(whole.divided([2, 2, 9, 12]))
    assert [part.query.tolist() for part in parts] == [[1], [], [0, 3], [0]]
    assert [part.offsets.tolist() for part in parts] == [[0, 2], [0], [0, 1, 4], [0, 1]]
    assert [part.ranks.tolist() for part in parts] == [[0, 10], [], [20, 30, 40, 50], [60]]


def test_progress_ends_at_the_whole() -> None:
    features = random_features(np.random.default_rng(1), queries=9)
    labels = features.gallery.labels
    gallery, kept = without_junk(rows_of(features.gallery.features), labels)
    queries = rows_of(features.query.features)
    for engine in PATHS.values():
        seen: list[tuple[int, int]] = []
        runs = match_ranks(
            queries,
            features.query.labels,
            gallery,
            kept,
            engine(),
            lambda done, total, seen=seen: seen.append((done, total)),  # type: ignore[misc]
        )
        list(runs)
        assert seen[-1] == (9 * len(gallery), 9 * len(gallery))
        assert seen == sorted(seen)
