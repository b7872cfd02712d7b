"""Indexes of any kind: lists and truncated scores against brute force, and what FAISS refuses."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.by_faiss.approximate import ApproximateRanker
from reid_srdl.by_faiss.building import build_index
from reid_srdl.config import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate, evaluate_by
from reid_srdl.jobs.index_study import fitting_indexes, study_indexes
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.metrics import average_precision
from reid_srdl.retrieval.rows import rows_of
from tests.retrieval.brute import brute_ranks, distance_table, random_features


def _features(seed: int = 0, gallery: int = 300, dim: int = 8) -> Features:
    return random_features(np.random.default_rng(seed), queries=20, gallery=gallery, dim=dim, ids=9)


@pytest.mark.parametrize("count", [1, 7, 40, 200])
def test_a_flat_index_scores_the_first_n_of_a_full_sort(count: int) -> None:
    features = _features(count)
    table = distance_table(features.query, features.gallery)
    expected, firsts = [], []
    for ranks in brute_ranks(features.query, features.gallery, table):
        if ranks:
            within = [i / r for i, r in enumerate(ranks, 1) if r <= count]
            expected.append(sum(within) / len(ranks))
            firsts.append(ranks[0] if ranks[0] <= count else None)
    result = evaluate(features, ranker=ApproximateRanker("Flat", count))
    scores = result.evaluation.single_query
    assert scores.mAP == pytest.approx(np.mean(expected), abs=1e-12)
    assert scores.rank1 == pytest.approx(np.mean([first == 1 for first in firsts]))
    assert scores.rank5 == pytest.approx(
        np.mean([first is not None and first <= 5 for first in firsts])
    )
    assert f"first {count} retrieved" in result.evaluation.protocol.index_note
    assert "truncated" in result.evaluation.protocol.index_note


def test_the_whole_list_of_a_flat_index_gives_the_exact_scores() -> None:
    features = _features(3)
    kept = int((features.gallery.pids != -1).sum())
    listed = evaluate(features, ranker=ApproximateRanker("Flat", kept))
    exact = evaluate(features)
    assert listed.evaluation.single_query == exact.evaluation.single_query
    assert listed.evaluation.protocol != exact.evaluation.protocol


def test_multi_queries_use_the_index_too() -> None:
    features = _features(4)
    boxes = FeatureSet(features.query.features, features.query.pids, features.query.camids)
    settings = Protocol(index="HNSW16", retrieved=30, distance="cosine")
    result = evaluate_by(
        Features(features.query, features.gallery, boxes), settings, engine="faiss"
    )
    assert result.evaluation.multi_query is not None
    assert 0 < result.evaluation.multi_query.mAP < 1


def test_a_query_that_retrieves_no_match_scores_nothing_but_counts() -> None:
    query = FeatureSet(np.float32([[0]]), np.array([1]), np.array([1]))
    gallery = FeatureSet(
        np.float32([[1], [2], [0.5], [9]]), np.array([2, 3, 1, 1]), np.array([1, 1, 1, 2])
    )
    result = evaluate(Features(query, gallery), ranker=ApproximateRanker("Flat", 2))
    scores = result.evaluation.single_query
    assert (scores.queries, scores.mAP, scores.mINP, scores.rank20) == (1, 0, 0, 0)
    assert evaluate(Features(query, gallery)).single.ap.tolist() == [average_precision([3])]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nonsense", "could not parse index string nonsense"),
        ("", "FAISS refuses it"),
        ("PQ7", "multiple of the number of subquantizers"),
        ("PCA128,Flat", "PCA matrix cannot output 128"),
        ("IVF4096,Flat", "Number of training points (300) should be at least as large"),
        ("IVF4,Flat;nonsense=3", "FAISS refuses it"),
        ("HNSW0", "fewer than 2 links"),
    ],
)
def test_what_faiss_refuses_is_told_in_one_line(name: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        build_index(name, rows_of(_features(0, 300).gallery.features))
    assert told in caught.value.what
    assert "\n" not in caught.value.what
    assert ".cpp" not in caught.value.what


def test_lists_longer_than_the_gallery_and_an_index_without_faiss_are_errors() -> None:
    with pytest.raises(UserError, match="301 images per query"):
        evaluate(_features(), ranker=ApproximateRanker("Flat", 301))
    with pytest.raises(UserError, match="engine 'count' has no index"):
        evaluate_by(_features(), Protocol(index="Flat"))


def test_a_study_measures_recall_against_a_full_sort() -> None:
    features = _features(6, 500)
    study = study_indexes(features, ["Flat", "IVF16,Flat", "IVF16,Flat;nprobe=16", "PQ2x4"])
    flat, one, all_cells, coarse = study.indexes
    exact = evaluate(features).evaluation.single_query
    assert study.exact == exact
    assert flat.recalls == all_cells.recalls == (1, 1, 1)
    assert flat.rank1 == exact.rank1
    assert flat.truncated_mAP < exact.mAP
    assert flat.bytes >= 4 * study.gallery * study.dim > coarse.bytes
    assert one.recalls[1] is not None
    assert one.recalls[1] < 1
    assert one.recalls[1] == pytest.approx(_recall_by_hand(features, "IVF16,Flat", 10))
    assert one.truncated_mAP < flat.truncated_mAP
    assert min(cost.queries_per_second for cost in study.indexes) > 0


def _recall_by_hand(features: Features, name: str, k: int) -> float:
    """Asks the index for all it has, with Python's sets."""
    table = distance_table(features.query, features.gallery)
    kept = np.flatnonzero(features.gallery.pids != -1)
    index = build_index(name, rows_of(features.gallery.features[kept])).index
    _, positions = index.search(features.query.features, len(kept))
    shares = []
    for i in range(len(features.query)):
        own = features.gallery.pids == features.query.pids[i]
        ignored = own & (features.gallery.camids == features.query.camids[i])
        counts = [j for j in kept.tolist() if not ignored[j]]
        true = set(sorted(counts, key=lambda j: (table[i][j], j))[:k])
        got = [kept[p] for p in positions[i] if p >= 0 and not ignored[kept[p]]][:k]
        shares.append(len(true & set(got)) / k)
    return float(np.mean(shares))


@pytest.mark.parametrize(("gallery", "dim"), [(30, 7), (600, 12), (5000, 64)])
def test_the_default_indexes_can_be_built(gallery: int, dim: int) -> None:
    rows = rows_of(np.random.default_rng(0).standard_normal((gallery, dim)).astype(np.float32))
    for name in fitting_indexes(gallery):
        assert build_index(name, rows).index.ntotal == gallery
