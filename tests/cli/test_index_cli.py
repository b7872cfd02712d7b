"""``reid-srdl index-study``, ``eval --index`` and ``--rerank``, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.feature_files.reading import save_features
from tests.cli.run import assert_told, reid_srdl
from tests.retrieval.brute import random_features


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    save_features(place / "f.npz", random_features(rng, queries=20, gallery=300, ids=9))
    return place


def test_a_study_as_table_json_and_figures(place: Path) -> None:
    words = ("index-study", "f.npz", "--index", "Flat", "--index", "IVF16,Flat")
    done = reid_srdl(*words, "--json", "--plot", "study.svg", cwd=place)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["index"] for row in told["indexes"]] == ["Flat", "IVF16,Flat"]
    assert told["indexes"][0]["recall"] == {"1": 1.0, "10": 1.0, "100": 1.0}
    assert told["retrieved"] == 100
    svg = (place / "study.svg").read_text()
    assert svg.startswith("<?xml")
    assert "IVF16" in svg or "<path" in svg
    assert "warning: IVF16,Flat: FAISS advises 624 training images" in done.stderr
    done = reid_srdl(*words, "--plot", "study.png", cwd=place)
    for word in ("recall", "Rank-1", "truncated mAP", "MiB", "queries/s", "IVF16,Flat", "exact:"):
        assert word in done.stdout
    assert (place / "study.png").read_bytes().startswith(b"\x89PNG")


def test_eval_says_that_its_map_is_truncated(place: Path) -> None:
    words = ("eval", "--features", "f.npz", "--engine", "faiss", "--index", "HNSW16")
    done = reid_srdl(*words, "--retrieved", "50", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "truncated mAP: over the first 50" in json.loads(done.stdout)["protocol"]["index_note"]
    assert "truncated mAP" in reid_srdl(*words, cwd=place).stdout


def test_bad_indexes_are_told(place: Path) -> None:
    study = ("index-study", "f.npz")
    for words, told in (
        ((*study, "--index", "nonsense", "--plot", "no.png"), "could not parse index string"),
        ((*study, "--index", "IVF999,Flat", "--plot", "no.png"), "Number of training points"),
        ((*study, "--retrieved", "301"), "301 images per query"),
        ((*study, "--plot", "no.txt"), "not a figure by its name"),
        (
            ("eval", "--features", "f.npz", "--index", "Flat"),
            "nothing reads it while eval.engine is count",
        ),
    ):
        assert_told(reid_srdl(*words, cwd=place), told, status=2)
    assert not list(place.glob("*no.*"))


def test_eval_reranks_and_expands(place: Path) -> None:
    words = ("eval", "--features", "f.npz", "--normalize")
    done = reid_srdl(*words, "--rerank", "k-reciprocal", "--expand", "alpha-qe", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "k1 20, k2 6, lambda 0.3" in done.stdout
    assert "alpha-qe: n 10, alpha 3" in done.stdout
    done = reid_srdl("eval", "--features", "f.npz", "--expand", "alpha-qe", cwd=place)
    assert_told(done, "features are raw", status=2)
