"""Distances that were given: the ranks of a full sort, whatever their type, ties and place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl import Protocol, evaluate_distances
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.retrieval import given
from reid_srdl.retrieval.features import Features
from tests.retrieval.brute import brute_ranks, distance_table, random_features


def labels(features: Features) -> dict[str, Any]:
    """The arguments of `evaluate_distances` but for the matrix."""
    return {
        f"{name}_{kind}": getattr(part, kind)
        for name, part in (("query", features.query), ("gallery", features.gallery))
        for kind in ("pids", "camids")
    }


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("values", [3, 40, 0])
def test_ranks_are_those_of_a_sort(
    kind: type, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "_BLOCK_VALUES", 300)  # blocks of 5 queries
    rng = np.random.default_rng(values)
    for _ in range(20):
        people = random_features(rng)
        shape = len(people.query), len(people.gallery)
        drawn = rng.integers(0, values, shape) if values else rng.standard_normal(shape)
        distances = drawn.astype(kind)
        found = evaluate_distances(distances, **labels(people))
        wanted = brute_ranks(people.query, people.gallery, distances.tolist())
        assert found.single.first_rank.tolist() == [own[0] if own else 0 for own in wanted]
        aps = [np.mean([i / r for i, r in enumerate(own, 1)]) for own in wanted if own]
        assert found.single.ap[found.single.matched].tolist() == pytest.approx(aps)
        inps = [len(own) / own[-1] for own in wanted if own]
        assert found.single.inp[found.single.matched].tolist() == pytest.approx(inps)
        for told, ranks in zip(found.lists(7), wanted, strict=True):
            assert [i for i, hit in enumerate(told.match, 1) if hit] == [r for r in ranks if r < 8]
            assert np.array_equal(told.distances, distances[told.query][told.gallery])


@pytest.mark.parametrize("rules", ["ours", "official", "torchreid", "fastreid"])
@pytest.mark.parametrize("gallery", ["all", "single-shot"])
def test_they_equal_the_same_distances_of_features(rules: Any, gallery: Any) -> None:
    from reid_srdl.evaluation import evaluate_by

    people = random_features(np.random.default_rng(4), values=np.arange(3, dtype=np.float32))
    table = np.array(distance_table(people.query, people.gallery))
    options: dict[str, Any] = {"rules": rules, "gallery": gallery, "trials": 5}
    by_features = Protocol(**options, distance="euclidean", normalize=False)
    ours = evaluate_distances(table, **labels(people), protocol=Protocol(**options))
    theirs = evaluate_by(people, by_features)
    assert ours.evaluation.single_query == theirs.evaluation.single_query
    assert ours.evaluation.spread == theirs.evaluation.spread
    assert ours.evaluation.protocol.distance == "given"
    assert not any("float32" in words for words in ours.evaluation.protocol.not_reproduced)
    for key in ("ap", "ap_trapezoid", "inp", "first_rank"):
        assert np.array_equal(getattr(ours.single, key), getattr(theirs.single, key), True)


def test_a_mapped_matrix_gives_the_same(tmp_path: Path) -> None:
    people = random_features(np.random.default_rng(1))
    distances = np.random.default_rng(2).random((len(people.query), len(people.gallery)))
    np.save(tmp_path / "d.npy", distances)
    mapped = np.load(tmp_path / "d.npy", mmap_mode="r")
    ours, theirs = (evaluate_distances(d, **labels(people)).single for d in (mapped, distances))
    assert np.array_equal(ours.ap, theirs.ap, equal_nan=True)
    assert np.array_equal(mapped, distances)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.T, "transpose it"),
        (lambda d: d[:, :-1], "a column for each gallery image"),
        (lambda d: d[0], "has shape"),
        (lambda d: np.where(d > 0.9, np.nan, d), "NaN or infinity"),
        (lambda d: np.where(d > 0.9, np.inf, d), "NaN or infinity"),
        (lambda d: (9 * d).astype(np.int64), "has type int64"),
        (lambda d: d.astype(np.longdouble), "has type"),
        (lambda d: d.astype(str), "has type"),
        (lambda d: d.astype(">f4"), "array.astype('float32')"),
    ],
)
def test_what_cannot_be_a_matrix_is_refused(change: Any, words: str) -> None:
    people = random_features(np.random.default_rng(1))
    distances = np.random.default_rng(2).random((len(people.query), len(people.gallery)))
    with pytest.raises(UserError) as told:
        evaluate_distances(change(distances), **labels(people))
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query_pids": [], "query_camids": []}, "query_pids is empty"),
        ({"gallery_names": ["a"]}, "gallery_names has 1 entries, gallery_pids"),
        ({"gallery_camids": [1]}, "one camera per image"),
    ],
)
def test_labels_that_do_not_fit_are_refused(change: Any, words: str) -> None:
    people = random_features(np.random.default_rng(1))
    distances = np.zeros((len(people.query), len(people.gallery)))
    with pytest.raises(UserError) as told:
        evaluate_distances(distances, **{**labels(people), **change})
    assert words in str(told.value)


def test_what_needs_features_is_refused_by_name() -> None:
    two = {"query_pids": [1], "query_camids": [1], "gallery_pids": [1], "gallery_camids": [2]}
    for protocol, words in (
        (Protocol(rerank={"method": "k-reciprocal"}), "--rerank"),
        (Protocol(expand={"method": "aqe"}), "--expand"),
        (Protocol(index="HNSW32"), "--index"),
    ):
        with pytest.raises(UserError, match=words):
            evaluate_distances(np.zeros((1, 1)), **two, protocol=protocol)
    people = random_features(np.random.default_rng(1))
    with pytest.raises(UserError, match="given distances"):
        evaluate(people, Protocol(distance="given"))
