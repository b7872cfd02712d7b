"""One data set as itself, as a table, and as a folder for each person: the same numbers."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.config import Protocol
from reid_srdl.data import Crops, Patterns, ReidData, load_dataset
from reid_srdl.data.walkers.make import make_walkers
from reid_srdl.data.walkers.plan import Options
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.records.later import read_later
from reid_srdl.records.store import read_record
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.result import Evaluation
from tests.cli.run import reid_srdl_here
from tests.data.market_tables import link_folders, rows_of, write_csv, write_parquet

CAMERA = r"_c(\d)"


def run(place: Path, name: str, data: dict[str, Any], judged: dict[str, Any] | None = None) -> None:
    tree = {
        "data": {"height": 32, "width": 16, **data},
        "model": {"name": "resnet32"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 8},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
        "eval": judged or {"enabled": False},
        "run": {"dir": place, "name": name},
    }
    train(experiment(tree))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Walkers with a run on them, ``r``; as tables; as folders with a run on these, ``f``."""
    place = tmp_path_factory.mktemp("place")
    make_walkers(place, seed=1, options=Options(4, 8, 3, 2, junk=0.3, distractors=0.3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        data = load_dataset("walkers", place)
        assert {-1, 0} <= set(data.gallery.pids.tolist())
        write_csv(data, place / "walkers.csv")
        link_folders(data, place / "folders")
        run(place, "r", {"name": "walkers", "dir": place})
        run(place, "f", {"name": "people", "dir": place / "folders", "camera": CAMERA})
        yield place


def scores(run: Path, dataset: str, place: Path) -> tuple[str, Any]:
    _, result, path = evaluate_run(run, dataset=dataset, data_dir=place)
    (kept,) = read_later(path).evaluations
    assert kept.per_query is not None
    return json.dumps(result.evaluation.model_dump(mode="json"), indent=2), kept.per_query


def test_a_table_gives_the_same_scores_to_the_byte(place: Path) -> None:
    own, queries = scores(place / "r", "walkers", place)
    told, asked = scores(place / "r", "people", place / "walkers.csv")
    assert told == own
    assert asked.single_query.ap == queries.single_query.ap
    assert asked.single_query.names == queries.single_query.names
    assert asked.multi_query.ap == queries.multi_query.ap


def test_parquet_gives_them_too(place: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'tables' is not installed")
    file = write_parquet(load_dataset("walkers", place), place / "walkers.parquet")
    assert scores(place / "r", "people", file)[0] == scores(place / "r", "walkers", place)[0]


def test_what_the_command_prints_is_the_same_to_the_byte(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'tables' is not installed")
    data = load_dataset("walkers", place)
    forms = [write_csv(data, place / "own.csv"), write_parquet(data, place / "own.parquet")]
    printed = []
    for name, folder in (("walkers", place), *(("people", form) for form in forms)):
        words = (str(place / "r"), "--dataset", name, "--data-dir", str(folder), "--json")
        done = reid_srdl_here("eval", *words, streams=capfd)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "single_query" in json.loads(printed[0])
    assert printed[0] == printed[1] == printed[2]


def same_images(data: ReidData, folders: Path) -> None:
    """Asserts that the folders hold the same images, identities and cameras as ``data``."""
    found = load_dataset("people", folders, 0, Patterns(camera=CAMERA))
    told = sorted(
        (path.name, found.person(pid), f"c{found.camera(camid)}", split)
        for crops in (found.train, found.query, found.gallery)
        for path, pid, camid, split in zip(
            crops.paths,
            crops.pids.tolist(),
            crops.camids.tolist(),
            (path.parent.name for path in crops.paths),
            strict=True,
        )
    )
    rows = [row for row in rows_of(data) if row[1] and row[3] != "boxes"]
    assert told == sorted((Path(row[0]).name, *row[1:4]) for row in rows)
    train, test = (set(crops.pids.tolist()) for crops in (found.train, found.query))
    assert train.isdisjoint(test)
    assert len(train) == len({row[1] for row in rows}) // 2


def test_folders_hold_the_same_images_identities_and_cameras(place: Path) -> None:
    same_images(load_dataset("walkers", place), place / "folders")


def test_a_run_is_judged_in_the_split_that_it_keeps(place: Path) -> None:
    first, _ = scores(place / "f", "people", place / "folders")
    link = next((place / "folders").glob("*/*/*"))
    added = place / "folders" / "00-new" / "query" / "0999_c1s1_000001_00.jpg"
    added.parent.mkdir(parents=True)
    added.symlink_to(link.resolve())
    try:
        assert scores(place / "f", "people", place / "folders")[0] == first
        with pytest.raises(UserError, match="holds a run on other data"):
            run(place, "f", {"name": "people", "dir": place / "folders", "camera": CAMERA})
    finally:
        added.unlink()
        added.parent.rmdir()
        added.parent.parent.rmdir()
    text = (place / "f" / "split.csv").read_text()
    (place / "f" / "split.csv").write_text(text.replace(",query", ",gallery"))
    with pytest.raises(UserError, match=r"split\.csv"):
        scores(place / "f", "people", place / "folders")
    (place / "f" / "split.csv").write_text(text)


def test_one_camera_is_refused_before_training_and_none_is_recorded(place: Path) -> None:
    one = {"name": "people", "dir": place / "folders", "camera": "_(c)", "person": r"(\d{4})_c"}
    with pytest.raises(UserError, match="all test images are by one") as caught:
        run(place, "one", one, {"enabled": True})
    assert "--set eval.same_camera=keep" in caught.value.hint
    assert not (place / "one").exists()
    run(place, "none", {**one, "camera": None}, {"enabled": True})
    kept = {**one, "camera": "_(c)"}
    run(place, "kept", kept, {"enabled": True, "same_camera": "keep"})
    rules = []
    for name in ("none", "kept"):
        found = read_record(place / name).evaluations[0].result
        assert isinstance(found, Evaluation)
        rules.append(found.protocol)
    assert [one.same_camera for one in rules] == ["keep", "keep"]
    assert "no camera is known" in rules[0].same_camera_note
    assert "count" in rules[1].same_camera_note


def test_a_table_with_nobody_to_train_on_is_told(place: Path) -> None:
    with (place / "test.csv").open("w", newline="") as file:
        rows = [row for row in csv.reader((place / "walkers.csv").open()) if "train" not in row]
        csv.writer(file).writerows(rows)
    data = {"name": "people", "dir": place / "test.csv"}
    with pytest.raises(UserError, match="there are no images to train on"):
        run(place, "nobody", data, {"enabled": False})


def features_of(data: ReidData) -> Features:
    """Returns features that depend on file names alone."""

    def part(crops: Crops) -> FeatureSet:
        numbers = [path.name.partition("_")[0] for path in crops.paths]
        means = np.array([int(number) % 97 for number in numbers])[:, None] * np.ones(8) / 40
        noise = np.stack([_noise(path.name) for path in crops.paths])
        return FeatureSet((means + noise).astype(np.float32), crops.pids, crops.camids)

    boxes = None if data.boxes is None else part(data.boxes)
    return Features(part(data.query), part(data.gallery), boxes)


def _noise(name: str) -> Any:
    return np.random.default_rng(np.frombuffer(name.encode(), np.uint8)).standard_normal(8)


def test_the_real_market_as_a_table_and_as_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    if not (where := os.environ.get("REID_SRDL_DATA")):
        pytest.skip("REID_SRDL_DATA is not set")
    try:
        data = load_dataset("market1501", Path(where))
    except UserError as error:
        pytest.skip(error.what)

    def told(data: ReidData) -> str:
        done = evaluate(features_of(data), Protocol())
        return json.dumps(done.evaluation.model_dump(mode="json"))

    own = told(data)
    assert told(load_dataset("people", write_csv(data, tmp_path / "market.csv"))) == own
    same_images(data, link_folders(data, tmp_path / "folders"))
    pytest.importorskip("pyarrow", reason="the extra 'tables' is not installed")
    assert told(load_dataset("people", write_parquet(data, tmp_path / "market.parquet"))) == own
