"""``reid-srdl search``: the nearest people against a full sort, its cache, and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reid_srdl.jobs.extract import features_of_run
from tests.cli.run import assert_told, reid_srdl, reid_srdl_here
from tests.small_set import write_small_set

TRAIN = (
    *("--dataset", "folder", "--data-dir", "set", "--model", "resnet18", "--precision", "fp32"),
    *("--batch-size", "12", "--set", "data.height=32", "--set", "data.width=16"),
    *("--set", "train.threads=1", "--method", "vanilla", "--epochs", "1", "--no-eval"),
)
QUERY = "set/query/0101_c1s1_000000_00.jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set and a run, ``runs/r``."""
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    done = reid_srdl("train", *TRAIN, "--name", "r", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def search(place: Path, *words: str | Path) -> dict[str, Any]:
    done = reid_srdl("search", "runs/r", *words, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_answer_is_a_full_sorts(
    place: Path, distance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = search(place, QUERY, "--distance", distance, "--top-k", "24")
    monkeypatch.chdir(place)
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))
    features, _ = features_of_run(place / "runs/r")
    names = features.query.names
    assert names is not None
    query = features.query.features[list(names).index(Path(QUERY).name)].astype(np.float64)
    rows = features.gallery.features.astype(np.float64)
    if distance == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        distances = 1 - rows @ (query / np.linalg.norm(query))
    else:
        distances = np.linalg.norm(rows - query, axis=1)
    kept = np.flatnonzero(features.gallery.pids != -1)
    order = kept[np.argsort(distances[kept])][:24]
    assert features.gallery.names is not None
    assert [found["name"] for found in answer["results"]] == [
        features.gallery.names[i] for i in order
    ]
    told = [(f["pid"], f["camid"]) for f in answer["results"]]
    labels = zip(features.gallery.pids[order], features.gallery.camids[order], strict=True)
    assert told == [(int(pid), int(camid)) for pid, camid in labels]
    assert [f["distance"] for f in answer["results"]] == pytest.approx(
        distances[order], rel=1e-3, abs=1e-6
    )
    assert (answer["images"], answer["junk"]) == (30, 6)


def test_a_threshold_of_verification_leaves_out_what_is_farther(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))

    def run(*words: str, status: int = 0) -> Any:
        done = reid_srdl_here(*words, streams=capfd)
        assert done.returncode == status, done.stderr
        return done

    told = run("eval", "runs/r", "--verification", "--fpr", "0.2", "--json")
    found = json.loads(told.stdout)["verification"]
    assert (found["measure"], found["same_person"]["asked"]) == ("euclidean", 0.2)
    assert found["same_person"]["fpr"] <= 0.2
    shown = run("eval", "runs/r", "--verification").stdout
    assert "the same person within" in shown
    (record,) = (
        own
        for own in (place / "runs/r/evaluations").iterdir()
        if '"fpr"' in own.read_text()
        and json.loads(own.read_text())["evaluations"][0]["settings"]["fpr"] == 0.2
    )
    kept = json.loads(record.read_text())["evaluations"][0]["result"]["verification"]
    assert kept == found
    every = json.loads(run("search", "runs/r", QUERY, "--top-k", "24", "--json").stdout)
    assert (every["threshold"], every["farther"]) == (None, 0)
    T = every["results"][4]["distance"]  # noqa: N806 - the option's own name
    words = ("search", "runs/r", QUERY, "--top-k", "24", "--threshold", repr(T))
    near = json.loads(run(*words, "--json").stdout)
    within = [one for one in every["results"] if one["distance"] <= T]
    assert near["results"] == within
    assert near["farther"] == 24 - len(within)
    assert f"{24 - len(within)} of the nearest 24 are farther, and left out" in run(*words).stdout
    assert run(*words[:-1], "0").stdout  # an answer without any image
    for bad in ("-1", "nan", "inf"):
        assert_told(run(*words[:-1], bad, status=2), "--threshold", status=2)
    assert_told(run("eval", "runs/r", "--fpr", "0.1", status=2), "--verification", status=2)
    for other in (("--rerank", "k-reciprocal"), ("--gallery", "single-shot")):
        told = run("eval", "runs/r", "--verification", *other, status=2)
        assert_told(told, f"--verification with {other[0]}", status=2)


def test_any_folder_and_the_image_itself_is_found_first(place: Path) -> None:
    crops = place / "crops"
    shutil.copytree(place / "set/query", crops)
    person = Image.open(place / QUERY).resize((50, 90))
    person.save(crops / "someone.png")
    (crops / "notes.txt").write_text("not a crop")
    answer = search(place, crops / "someone.png", "--gallery", "crops", "--top-k", "13")
    first = answer["results"][0]
    assert (first["rank"], first["name"]) == (1, "someone.png")
    assert first["distance"] == pytest.approx(0, abs=1e-2)
    assert first["pid"] is None
    assert first["camid"] is None
    assert {found["pid"] for found in answer["results"]} == {None, 101, 102, 103, 104}
    done = reid_srdl("search", "runs/r", QUERY, "--gallery", "crops", cwd=place)
    for word in ("rank", "camera", "distance", "0101_c1s1_000000_00.jpg", "13 images of crops"):
        assert word in done.stdout


def test_the_second_search_reads_the_features_back_until_a_file_changes(place: Path) -> None:
    shutil.copytree(place / "set/query", place / "kept")
    words = (QUERY, "--gallery", "kept", "--top-k", "5")
    first, second = search(place, *words), search(place, *words)
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["results"] == second["results"]
    (place / "kept" / first["results"][0]["name"]).unlink()
    third = search(place, *words)
    assert not third["cached"]
    assert third["results"][0]["name"] == first["results"][1]["name"]
    for file in (place / "runs/r/search").iterdir():
        file.write_bytes(b"damaged")
    again = search(place, *words)
    assert not again["cached"]
    assert again["results"] == third["results"]


def test_bad_input_is_told_and_nothing_is_kept(place: Path, tmp_path: Path) -> None:
    (place / "text.jpg").write_text("not an image")
    (place / "empty").mkdir(exist_ok=True)
    (place / "broken").mkdir(exist_ok=True)
    (place / "broken/0001_c1s1_000001_00.jpg").write_bytes(b"\xff\xd8\xff")
    shutil.copytree(place / "runs/r", tmp_path / "runs/r", ignore=shutil.ignore_patterns("search"))
    shutil.copytree(place / "set", tmp_path / "set")
    for words, status, told in (
        (("runs/r", place / "text.jpg"), 1, "text.jpg: not a JPEG"),
        (("runs/r", "nowhere.jpg"), 1, "nowhere.jpg: No such file"),
        (("runs/r", "set/query"), 2, "set/query: a folder"),
        (("runs/r", QUERY, "--gallery", place / "empty"), 1, "an empty gallery"),
        (("runs/r", QUERY, "--gallery", "nowhere"), 1, "nowhere: No such file"),
        (
            ("runs/r", QUERY, "--gallery", place / "broken", "--top-k", "1"),
            1,
            "0001_c1s1_000001_00.jpg",
        ),
        (("runs/r", QUERY, "--top-k", "31"), 2, "the 31 nearest of 30"),
        (("set", QUERY), 1, "not a run folder"),
    ):
        done = reid_srdl("search", *words, cwd=tmp_path)
        assert_told(done, told, status=status)
        assert done.stdout == ""
    assert not (tmp_path / "runs/r/search").exists()


def test_features_that_cannot_be_kept_cost_time_and_not_the_answer(place: Path) -> None:
    kept = place / "runs/r/search"
    answer = search(place, QUERY)
    shutil.rmtree(kept)
    kept.write_text("a file where a folder belongs")
    try:
        done = reid_srdl("search", "runs/r", QUERY, "--json", cwd=place)
    finally:
        kept.unlink()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"] == answer["results"]
    assert "note: " in done.stderr
    assert "can't write the gallery's features" in done.stderr
