"""Rows of zeros have no direction: where features are normalised, they are counted and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from reid_srdl.cli import app
from reid_srdl.config import Protocol
from reid_srdl.evaluation import evaluate, evaluate_by
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.report.evaluation import zero_warnings
from reid_srdl.retrieval.features import Features, FeatureSet

DRAWN = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


def made(queries: list[bool], images: list[bool]) -> Features:
    """Six queries and a gallery of their people and junk, zeros where asked for."""

    def side(zeros: list[bool], camera: int) -> FeatureSet:
        rows = DRAWN[: len(zeros)] * ~np.array(zeros)[:, None]
        pids = np.arange(len(zeros)) % 7 - 1 if camera else np.arange(len(zeros))
        return FeatureSet(rows, pids, np.full(len(zeros), camera))

    return Features(side(queries, 0), side(images, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=14, max_size=40),
    st.booleans(),
)
def test_all_of_them_are_counted_but_junk(
    queries: list[bool], images: list[bool], cosine: bool
) -> None:
    protocol = Protocol(distance="cosine" if cosine else "euclidean")
    found = evaluate(made(queries, images), protocol).directionless
    counted = [zero for i, zero in enumerate(images) if i % 7]
    assert found == ((sum(queries), sum(counted)) if cosine else (0, 0))


@pytest.mark.parametrize("junk", ["ours", "torchreid"])
def test_a_mapped_gallery_counts_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, junk: str
) -> None:
    monkeypatch.setattr("reid_srdl.retrieval.streams.stretches._VALUES", 20)  # stretches of 5 rows
    features = made([False, True] * 3, [True, False, True] * 10)
    save_features(tmp_path / "f", features)
    protocol = Protocol.model_validate({"distance": "cosine", "rules": junk})
    whole = evaluate_by(features, protocol)
    mapped = evaluate_by(load_features(tmp_path / "f"), protocol, keep=True)
    assert whole.directionless == mapped.directionless
    assert whole.directionless == (3, 20 if junk == "torchreid" else 17)


def test_the_words_say_how_many_of_which() -> None:
    scored = evaluate(
        made([True] + [False] * 5, [True] * 3 + [False] * 20), Protocol(normalize=True)
    )
    (line,) = zero_warnings(scored)
    assert line.startswith("rows of zeros: 1 of queries and 2 of the gallery: ")
    assert zero_warnings(evaluate(made([False] * 6, [False] * 14), Protocol(normalize=True))) == []


@pytest.mark.parametrize("more", [[], ["--rerank", "k-reciprocal", "--rerank-k1", "4"]])
def test_the_command_warns(tmp_path: Path, more: list[str]) -> None:
    save_features(tmp_path / "f.npz", made([True] + [False] * 5, [True] * 5 + [False] * 20))
    more = [*more, "--rerank-k2", "2"] if more else more
    asked = ["eval", "--features", str(tmp_path / "f.npz"), "--distance", "cosine", *more]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.stderr
    assert "warning: rows of zeros: 1 of queries and 4 of the gallery" in done.stderr


def test_what_compare_names_is_spelled_as_yaml_is(tmp_path: Path) -> None:
    save_features(tmp_path / "f.npz", made([False] * 6, [False] * 25))
    command = ["eval", "--features", str(tmp_path / "f.npz"), "--per-query"]
    for name, more in (("a.csv", []), ("b.json", ["--normalize"])):
        assert CliRunner().invoke(app, [*command, str(tmp_path / name), *more]).exit_code == 0
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.json")])
    assert "evaluated differently: normalize is false in A, true in B" in done.stderr
