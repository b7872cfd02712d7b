"""Failing inputs 15 and 22: what cannot be evaluated is known from settings and labels alone."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.by_faiss.building import build_index
from reid_srdl.config import EvalConfig
from reid_srdl.errors import UserError
from reid_srdl.evaluation import (
    Scored,
    check_labels,
    check_settings,
    evaluate_by,
)
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.rows import Rows
from tests.retrieval.brute import random_features

RERANK = {"rerank": {"method": "k-reciprocal"}}
AQE = {"expand": {"method": "aqe"}}
ALPHA = {"expand": {"method": "alpha-qe"}}
FAISS = {"engine": "faiss"}


def reranked(k1: int, k2: int = 6) -> dict[str, object]:
    return {"rerank": {"method": "k-reciprocal", "k1": k1, "k2": k2}}


def expanded(n: int) -> dict[str, object]:
    return {"expand": {"method": "aqe", "n": n}}


def check(**settings: object) -> None:
    chosen = EvalConfig(**settings)
    check_settings(chosen, chosen.engine)


def scored(features: Features, **settings: object) -> Scored:
    chosen = EvalConfig(**settings)
    return evaluate_by(features, chosen, engine=chosen.engine)


CONTRADICTIONS: dict[str, tuple[dict[str, object], str]] = {
    "index without faiss": ({"index": "HNSW32"}, "--engine"),
    "no such index": ({**FAISS, "index": "Foo"}, "--index"),
    "no parts": ({**FAISS, "index": "PQ0"}, "--index"),
    "no links": ({**FAISS, "index": "HNSW1"}, "--index"),
    "too many links": ({**FAISS, "index": "HNSW99999999"}, "--index"),
    "no such parameter": ({**FAISS, "index": "IVF4,Flat;foo=1"}, "--index"),
    "a parameter below 1": ({**FAISS, "index": "IVF4,Flat;nprobe=0"}, "--index"),
    "no number": ({**FAISS, "index": "IVF4,Flat;nprobe=inf"}, "--index"),
    "k2 above k1 + 1": (reranked(5, 7), "--rerank-k2"),
    "re-ranking in an index": ({**RERANK, **FAISS, "index": "Flat"}, "--index"),
    "raw alpha-qe": (ALPHA, "--normalize"),
    "fast-reid's re-ranking": ({**RERANK, "rules": "fastreid"}, "--rerank"),
    "fast-reid's expansion": ({**AQE, "rules": "fastreid"}, "--expand"),
    "torchreid's expansion": ({**AQE, "rules": "torchreid"}, "--expand"),
}
FINE: tuple[dict[str, object], ...] = (
    {},
    RERANK,
    {**RERANK, "rules": "torchreid"},
    {**RERANK, "rules": "official"},
    {**ALPHA, "distance": "cosine"},
    {**ALPHA, "rules": "official"},
    {**FAISS, "index": "IVF4,Flat;nprobe=2"},
    {**FAISS, "index": "OPQ16_64,IVF4,PQ16"},
    {"gallery": "single-shot", **RERANK},
)


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_settings_are_refused_without_features(case: str) -> None:
    settings, option = CONTRADICTIONS[case]
    with pytest.raises(UserError) as raised:
        check(**settings)
    assert raised.value.exit_status == 2
    assert option in raised.value.hint
    with pytest.raises(UserError) as again:
        scored(random_features(np.random.default_rng(0)), **settings)
    assert str(again.value) == str(raised.value)


@pytest.mark.parametrize("settings", FINE, ids=str)
def test_settings_that_work_pass(settings: dict[str, object]) -> None:
    check(**settings)


def rows_of(images: int) -> Rows:
    return Rows(np.random.default_rng(images).normal(size=(images, 8)).astype(np.float32))


def labels(pids: list[int], camid: int) -> Labels:
    return Labels(np.array(pids), np.full(len(pids), camid))


def test_labels_tell_that_no_query_has_a_match() -> None:
    usual = EvalConfig()
    check_labels(labels([1, 2], 1), labels([2, 3], 2), usual)
    for query, gallery in (
        (labels([1, 2], 1), labels([1, 2], 1)),  # one camera
        (labels([1, 2], 1), labels([3, -1], 2)),
        (labels([-1], 1), labels([-1, 4], 2)),  # junk
    ):
        with pytest.raises(UserError, match="no query has a match"):
            check_labels(query, gallery, usual)
    check_labels(labels([-1], 1), labels([-1, 4], 2), EvalConfig(rules="torchreid"))


TOO_FEW: dict[str, tuple[dict[str, object], str]] = {
    "k1": (reranked(7), "choose --rerank-k1 from 1 to 6"),
    "n": (expanded(6), "choose --expand-n from 1 to 5"),
    "retrieved": ({**FAISS, "index": "Flat", "retrieved": 6}, "choose --retrieved from 1 to 5"),
    "drawn k1": (
        {**reranked(4, 2), "gallery": "single-shot"},
        "choose --rerank-k1 from 1 to 3",
    ),
    "drawn n": ({**expanded(4), "gallery": "single-shot"}, "--expand-n from 1"),
}


@pytest.mark.parametrize("case", TOO_FEW)
def test_labels_tell_that_images_are_too_few(case: str) -> None:
    settings, hint = TOO_FEW[case]
    query, gallery = labels([1, 2], 1), labels([1, 1, 2, 2, 2, -1], 2)
    with pytest.raises(UserError) as raised:
        check_labels(query, gallery, EvalConfig(**settings))
    assert raised.value.exit_status == 2
    assert hint in raised.value.hint


@pytest.mark.parametrize("case", TOO_FEW)
def test_labels_pass_where_the_evaluation_works(case: str) -> None:
    settings = {**TOO_FEW[case][0], "retrieved": 3, "trials": 2}
    if "rerank" in settings:
        settings |= reranked(2, 1)
    if "expand" in settings:
        settings |= expanded(2)
    features = random_features(np.random.default_rng(3), queries=9, gallery=40, ids=4)
    check_labels(features.query.labels, features.gallery.labels, EvalConfig(**settings))
    assert scored(features, **settings).evaluation.single_query.queries


@pytest.mark.parametrize(
    ("index", "clusters"),
    [
        ("IVF7,Flat", 7),
        ("IVF7,Flat;nprobe=3", 7),
        ("PQ2x3", 8),
        ("IVF9,PQ2x3", 9),
        ("IVF3,PQ2x3", 8),
        ("HNSW4_PQ2x3", 8),
        ("IVF6_HNSW4,SQ8", 6),
    ],
)
def test_an_index_needs_an_image_for_each_of_its_clusters(index: str, clusters: int) -> None:
    settings = EvalConfig(**FAISS, index=index, retrieved=1)
    query, fits = labels([1, 2], 1), labels([1 + i % 2 for i in range(clusters)], 2)
    check_labels(query, fits, settings)
    assert build_index(index, rows_of(clusters)).index.ntotal == clusters
    with pytest.raises(UserError, match=f"learns {clusters} clusters.* {clusters - 1} ") as raised:
        check_labels(query, fits.take(np.arange(clusters - 1)), settings)
    assert raised.value.exit_status == 2
    assert "--index" in raised.value.hint
    with pytest.raises(UserError, match="FAISS refuses it: Number of training points"):
        build_index(index, rows_of(clusters - 1))


@pytest.mark.parametrize("index", ["HNSW4", "Flat", "LSH", "SQ8", "OPQ2_4,Flat"])
def test_an_index_that_learns_no_clusters_takes_any_gallery(index: str) -> None:
    check_labels(labels([1], 1), labels([1], 2), EvalConfig(**FAISS, index=index, retrieved=1))
