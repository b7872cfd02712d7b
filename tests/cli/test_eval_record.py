"""``reid-srdl eval --features FILE --name NAME``: a record that tables and comparisons read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.feature_files.reading import save_features
from reid_srdl.records.run import FeaturesRecord
from reid_srdl.records.store import read_any_record, write_record
from reid_srdl.retrieval.features import Features
from reid_srdl.seals import LOCK, SEALS
from tests.cli.run import assert_told, reid_srdl
from tests.records.factory import DATASET, record
from tests.retrieval.brute import random_features


def write(path: Path, noise: float) -> Features:
    """Features that tell people apart, the worse the noisier; all of the same people."""
    rng = np.random.default_rng(int(noise * 10))
    base = random_features(np.random.default_rng(0), queries=60, gallery=300, ids=20)
    people = np.random.default_rng(1).standard_normal((22, 8))
    for part in (base.query, base.gallery):
        x = people[part.pids + 1] + noise * rng.standard_normal(part.features.shape)
        part.features[:] = x.astype(np.float32)
    save_features(path, base)
    return base


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files of features and their records."""
    place = tmp_path_factory.mktemp("place")
    for name, noise in (("worse", 1.0), ("better", 0.6)):
        write(place / f"{name}.npz", noise)
        done = reid_srdl("eval", "--features", f"{name}.npz", "--name", name, cwd=place)
        assert done.returncode == 0, done.stderr
        assert f"record: runs/{name}/record.json" in done.stdout
    return place


def test_the_record_stands_alone_and_says_all_of_it(place: Path) -> None:
    there = {path.name for path in (place / "runs/worse").iterdir()}
    assert there - {LOCK} == {"ranks", "record.json", SEALS}
    found = read_any_record(place / "runs/worse")
    assert isinstance(found, FeaturesRecord)
    (evaluated,) = found.evaluations
    printed = reid_srdl("eval", "--features", "worse.npz", "--json", cwd=place).stdout
    assert evaluated.result is not None
    assert evaluated.result.model_dump(mode="json") == json.loads(printed)
    assert (evaluated.network, found.name) == ("worse", "worse")
    assert (evaluated.data.query, evaluated.data.gallery, evaluated.data.boxes) == (60, 300, None)
    assert evaluated.per_query is not None
    assert len(evaluated.per_query.single_query) == 60
    assert {"rules", "distance", "rerank", "index"} < evaluated.settings.keys()
    assert not {"flip", "batch_size", "engine"} & evaluated.settings.keys()


def test_leaderboard_and_compare_read_it(place: Path) -> None:
    done = reid_srdl("leaderboard", "runs", "--format", "json", cwd=place)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["network"], row["method"], row["epochs"]) for row in rows] == [
        ("better", None, None),
        ("worse", None, None),
    ]
    assert rows[0]["dataset"] == rows[1]["dataset"]
    assert rows[0]["single_mAP"]["mean"] > rows[1]["single_mAP"]["mean"]
    shown = reid_srdl("leaderboard", "runs", cwd=place).stdout
    assert "worse: not trained here" in shown
    done = reid_srdl("compare", "runs/worse", "runs/better", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"].startswith("B is better")
    assert done.stderr == ""


def test_it_stands_with_runs_that_were_judged_on_the_same_images(place: Path) -> None:
    labels = read_any_record(place / "runs/worse").dataset.labels
    made = record(dataset=DATASET.model_copy(update={"labels": labels}))
    write_record(place / "more/trained", made)
    for name in ("worse", "better"):
        write_record(place / "more" / name, read_any_record(place / "runs" / name))
    done = reid_srdl("leaderboard", "more", "--format", "json", cwd=place)
    assert [(row["dataset"], row["network"]) for row in json.loads(done.stdout)["rows"]] == [
        ("market1501", "resnet50"),
        ("market1501", "better"),
        ("market1501", "worse"),
    ]


def test_the_same_again_replaces_and_all_else_is_refused(place: Path) -> None:
    again = ("eval", "--features", "worse.npz", "--runs", "other")
    assert reid_srdl(*again, "--name", "one", cwd=place).returncode == 0
    first = read_any_record(place / "other/one")
    assert reid_srdl(*again, "--name", "one", "--engine", "faiss", cwd=place).returncode == 0
    second = read_any_record(place / "other/one")
    assert second.created > first.created
    assert second.evaluations == first.evaluations
    told = reid_srdl(*again, "--name", "one", "--distance", "cosine", cwd=place)
    assert_told(told, "by other settings (distance)", "choose another --name")
    others = ("eval", "--features", "better.npz", "--runs", "other", "--name", "one")
    assert_told(reid_srdl(*others, cwd=place), "other/one: holds the record of other features")
    assert read_any_record(place / "other/one") == second
    (place / "other/full").mkdir()
    (place / "other/full/notes.txt").write_text("mine")
    (place / "other/file").write_text("mine")
    for name in ("full", "file"):
        told = reid_srdl(*again, "--name", name, cwd=place)
        assert_told(told, f"other/{name}: holds something else", "--name")
    write_record(place / "other/run", record())
    assert_told(reid_srdl(*again, "--name", "run", cwd=place), "holds the record of a run")
    assert (place / "other/full/notes.txt").read_text() == "mine"


def test_names_that_cannot_be_and_options_without_their_partner(place: Path) -> None:
    features = ("eval", "--features", "worse.npz")
    for name in ("../up", ".hidden", "", "a/b"):
        told = reid_srdl(*features, "--name", name, cwd=place)
        assert_told(told, "cannot be a folder's name", status=2)
    assert_told(reid_srdl(*features, "--runs", "x", cwd=place), "--runs", status=2)
    assert_told(reid_srdl("eval", "runs/worse", "--name", "x", cwd=place), "--name", status=2)
    broken = reid_srdl("eval", "--features", "none.npz", "--name", "none", cwd=place)
    assert broken.returncode != 0
    assert not (place / "runs/none").exists()
    told = reid_srdl("eval", "runs/worse", cwd=place)
    assert told.returncode == 1
