"""Whole evaluations: all paths agree to the bit, and the rules are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.by_faiss.approximate import ApproximateRanker
from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored, evaluate
from reid_srdl.evaluation.exact import ExactRanker
from reid_srdl.reranking.expansion import ExpandedRanker
from reid_srdl.reranking.rerank import KReciprocalRanker
from reid_srdl.retrieval.arithmetic import exact
from reid_srdl.retrieval.counting.count import CountEngine
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.labels import JUNK
from reid_srdl.retrieval.metrics import PerQuery
from reid_srdl.retrieval.ranks import Ranker
from tests.retrieval.brute import brute_ranks, distance_table, random_features
from tests.retrieval.engines import PATHS


def _with_boxes(seed: int, *, values: np.ndarray | None = None) -> Features:
    rng = np.random.default_rng(seed)
    features = random_features(rng, queries=25, gallery=150, dim=10, values=values)
    boxes = random_features(rng, gallery=70, dim=10, values=values).gallery
    names = tuple(f"q{i}.jpg" for i in range(25))
    return Features(dataclasses.replace(features.query, names=names), features.gallery, boxes)


def _same(a: Scored, b: Scored) -> None:
    assert a.evaluation == b.evaluation
    for ours, theirs in ((a.single, b.single), (a.multi, b.multi)):
        assert ours is not None
        assert theirs is not None
        for field in dataclasses.fields(ours):
            x, y = getattr(ours, field.name), getattr(theirs, field.name)
            same = x == y if field.name == "names" else _equal(x, y)
            assert same, field.name


def _equal(x: np.ndarray, y: np.ndarray) -> bool:
    return np.array_equal(x, y, equal_nan=x.dtype == float)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(),
        Protocol(distance="cosine", pooling="max"),
        Protocol(normalize=True),
    ],
    ids=str,
)
def test_every_path_gives_the_same_bits(path: str, protocol: Protocol) -> None:
    for values in (None, np.arange(-1, 2, dtype=np.float32)):
        features = _with_boxes(1, values=values)
        reference = evaluate(features, protocol, engine="count")
        _same(reference, evaluate(features, protocol, engine=PATHS[path]()))


def test_named_engines_and_devices_agree() -> None:
    features = _with_boxes(2)
    _same(evaluate(features, engine="count"), evaluate(features, engine="faiss"))
    for engine in ("count", "faiss"):
        with pytest.raises(UserError, match="nonsense"):
            evaluate(features, engine=engine, device="nonsense")
    with pytest.raises(UserError, match="no such engine"):
        evaluate(features, engine="sort")


def test_cosine_is_euclidean_on_normalised_features() -> None:
    features = _with_boxes(3)
    cosine = evaluate(features, Protocol(distance="cosine"))
    euclidean = evaluate(features, Protocol(normalize=True))
    assert cosine.evaluation.single_query == euclidean.evaluation.single_query
    assert cosine.evaluation.protocol.normalize
    unit = FeatureSet(exact.normalized(features.query.features), *_labels(features.query))
    units = FeatureSet(exact.normalized(features.gallery.features), *_labels(features.gallery))
    ranks = brute_ranks(unit, units, distance_table(unit, units))
    firsts = [r[0] if r else 0 for r in ranks]
    assert cosine.single.first_rank.tolist() == firsts


def _labels(part: FeatureSet) -> tuple[np.ndarray, np.ndarray]:
    return part.pids, part.camids


def test_the_gallery_order_does_not_matter_without_ties() -> None:
    features = _with_boxes(4)
    order = np.random.default_rng(0).permutation(len(features.gallery))
    g = features.gallery
    shuffled = FeatureSet(g.features[order], g.pids[order], g.camids[order])
    _same(evaluate(features), evaluate(dataclasses.replace(features, gallery=shuffled)))


def test_equal_distances_take_the_gallery_order() -> None:
    ones = np.ones((3, 2), np.float32)
    query = FeatureSet(ones[:1], np.array([1]), np.array([1]))
    for pids, rank in (([1, 2, 0], 1), ([0, 2, 1], 3)):
        gallery = FeatureSet(ones, np.array(pids), np.array([2, 2, 2]))
        assert evaluate(Features(query, gallery)).single.first_rank.tolist() == [rank]


def test_junk_and_distractors() -> None:
    query = FeatureSet(np.float32([[0]]), np.array([1]), np.array([1]))
    line = np.float32([[1], [2], [3], [4]])
    gallery = FeatureSet(line, np.array([-1, 0, 1, 1]), np.array([2, 2, 1, 2]))
    scores = evaluate(Features(query, gallery)).evaluation.single_query
    assert (scores.mAP, scores.rank1, scores.rank5) == (0.5, 0.0, 1.0)


def test_queries_without_a_match_are_left_out_and_counted() -> None:
    query = FeatureSet(np.float32([[0], [0], [0]]), np.array([1, 7, -1]), np.array([1, 1, 1]))
    gallery = FeatureSet(np.float32([[1], [2]]), np.array([1, -1]), np.array([2, 2]))
    result = evaluate(Features(query, gallery))
    assert (result.evaluation.single_query.queries, result.evaluation.single_query.skipped) == (
        1,
        2,
    )
    assert result.single.matched.tolist() == [True, False, False]
    assert np.isnan(result.single.ap[1:]).all()


def test_no_query_with_a_match_is_an_error() -> None:
    query = FeatureSet(np.float32([[0]]), np.array([1]), np.array([1]))
    for pid, camid in ((2, 2), (1, 1), (-1, 2)):
        gallery = FeatureSet(np.float32([[1]]), np.array([pid]), np.array([camid]))
        for engine in ("count", "faiss"):
            with pytest.raises(UserError, match="no query has a match"):
                evaluate(Features(query, gallery), engine=engine)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("normalize", [False, True])
def test_multi_query_pools_each_identity_and_camera_once(pooling: str, normalize: bool) -> None:
    features = _with_boxes(5)
    result = evaluate(features, Protocol(pooling=pooling, normalize=normalize))
    query, boxes = features.query, features.boxes
    assert boxes is not None
    assert result.multi is not None
    pairs = list(dict.fromkeys(zip(query.pids.tolist(), query.camids.tolist(), strict=True)))
    assert list(zip(result.multi.pids, result.multi.camids, strict=True)) == pairs
    unit = exact.normalized if normalize else np.asarray
    gallery = FeatureSet(unit(features.gallery.features), *_labels(features.gallery))
    for row, (pid, camid) in enumerate(pairs):
        own = unit(boxes.features)[(boxes.pids == pid) & (boxes.camids == camid)]
        if not len(own):
            assert not result.multi.matched[row]
            continue
        pooled = own.max(axis=0) if pooling == "max" else own.astype(np.float64).mean(axis=0)
        alone = unit(pooled.astype(np.float32)[None])
        one = FeatureSet(alone, np.array([pid]), np.array([camid]))
        (ranks,) = brute_ranks(one, gallery, distance_table(one, gallery))
        assert result.multi.first_rank[row] == (ranks[0] if ranks else 0)


RANKERS: dict[str, Ranker | None] = {
    "exact": None,
    "expanded": ExpandedRanker(ExactRanker(CountEngine()), "aqe", 3),
    "re-ranked": KReciprocalRanker(6, 2),
    "expanded, re-ranked": ExpandedRanker(KReciprocalRanker(6, 2), "aqe", 3),
    "approximate": ApproximateRanker("Flat", 20),
}


@pytest.mark.parametrize("ranker", RANKERS.values(), ids=RANKERS)
def test_multi_queries_do_not_change_what_queries_get(ranker: Ranker | None) -> None:
    features = _with_boxes(9)
    both, alone = (
        evaluate(dataclasses.replace(features, boxes=boxes), ranker=ranker)
        for boxes in (features.boxes, None)
    )
    assert both.multi is not None
    assert both.evaluation.single_query == alone.evaluation.single_query
    assert np.array_equal(both.single.first_rank, alone.single.first_rank)
    assert len(both.multi.pids) < len(both.single.pids)


def test_independent_sets_of_queries_take_one_pass() -> None:
    features = _with_boxes(10)
    seen: list[tuple[int, int]] = []
    result = evaluate(features, progress=lambda done, total: seen.append((done, total)))
    assert result.multi is not None
    queries = len(features.query) + int(_has_boxes(features, result.multi).sum())
    counted = int((features.gallery.pids != JUNK).sum())
    assert {total for _, total in seen} == {queries * counted}


def _has_boxes(features: Features, asked: PerQuery) -> np.ndarray:
    boxes = features.boxes
    assert boxes is not None
    there = set(zip(boxes.pids.tolist(), boxes.camids.tolist(), strict=True))
    wanted = zip(asked.pids.tolist(), asked.camids.tolist(), strict=True)
    return np.array([pair in there for pair in wanted])


def test_boxes_of_nobody_are_an_error() -> None:
    features = _with_boxes(6)
    boxes = dataclasses.replace(features.boxes, pids=np.full(70, 99))
    with pytest.raises(UserError, match="multi-query"):
        evaluate(dataclasses.replace(features, boxes=boxes))


def test_progress_counts_up() -> None:
    seen: list[tuple[int, int]] = []
    evaluate(_with_boxes(7), progress=lambda done, total: seen.append((done, total)))
    assert any(done == total > 0 for done, total in seen)


@pytest.mark.parametrize("engine", ["count", "faiss"])
def test_memory_mapped_features_give_the_same_bits(tmp_path: Path, engine: str) -> None:
    features = _with_boxes(8)
    np.save(tmp_path / "g.npy", features.gallery.features)
    mapped = np.load(tmp_path / "g.npy", mmap_mode="r")
    gallery = dataclasses.replace(features.gallery, features=mapped)
    _same(
        evaluate(features), evaluate(dataclasses.replace(features, gallery=gallery), engine=engine)
    )
