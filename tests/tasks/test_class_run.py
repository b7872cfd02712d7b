"""Classification runs from the command line to the record, on a tiny folder of classes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.records.later import read_later
from reid_srdl.records.store import read_record
from tests.class_set import CLASSES, write_class_folder
from tests.cli.run import reid_srdl

SMALL = [
    *("--dataset", "class-folder", "--model", "resnet18", "--batch-size", "12"),
    *("--set", "data.height=32", "--set", "data.width=32", "--device", "cpu"),
    *("--precision", "fp32", "--set", "train.threads=1", "--set", "optim.lr=0.005"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set and one finished run of SRDL."""
    place = tmp_path_factory.mktemp("classes")
    write_class_folder(place / "data", train=14)
    done = train(place, "srdl", "--epochs", "8", "--set", "eval.ensembles=[srdl+first]")
    assert done.returncode == 0, done.stderr
    assert "84 images" in done.stdout
    assert "top-1" in done.stdout
    return place


def train(place: Path, method: str, *options: str) -> subprocess.CompletedProcess[str]:
    where = ["--data-dir", "data", "--runs", "runs", "--name", method]
    return reid_srdl("train", *SMALL, "--method", method, *where, *options, cwd=place)


def test_the_record_holds_networks_and_ensembles(place: Path) -> None:
    record = read_record(place / "runs/srdl")
    assert list(record.results) == ["srdl", "srdl+first"]
    assert all(isinstance(result, ClassScores) for result in record.results.values())
    assert record.dataset.task == "classification"
    assert (record.dataset.classes, record.dataset.images, record.dataset.test) == (6, 84, 18)
    assert [phase.name for phase in record.phases] == ["first", "knowledge", "second"]
    assert {one.per_query for one in record.evaluations} == {None}
    assert [one.settings for one in record.evaluations] == [{"flip": False}] * 2
    assert {(one.data.name, one.data.test) for one in record.evaluations} == {("class-folder", 18)}
    assert [list(phase.networks) for phase in record.phases] == [
        ["first"],
        ["knowledge"],
        ["second"],
    ]
    assert all(len(phase.key) == 32 for phase in record.phases)
    assert record.work.total == sum(phase.work.total for phase in record.phases)
    # M/2 + M/2 epochs and one extraction of 84 images.
    assert record.cost.trcost == pytest.approx(record.cost.macs * 9 * 84 / 1e16)


def test_the_network_learned_the_colours(place: Path) -> None:
    result = read_record(place / "runs/srdl").result
    assert isinstance(result, ClassScores)
    assert result.top1 > 2 / len(CLASSES)


def test_eval_gives_the_same_scores_again(place: Path) -> None:
    done = reid_srdl("eval", "runs/srdl", "--device", "cpu", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)["srdl"]
    result = read_record(place / "runs/srdl").result
    assert result is not None
    assert again == result.model_dump()
    (file,) = (place / "runs/srdl/evaluations").iterdir()
    (kept,) = read_later(file).evaluations
    assert file.name.startswith("class-folder-")
    assert (kept.network, kept.result) == ("srdl", result)


@pytest.mark.parametrize("option", [["--rerank", "k-reciprocal"], ["--dataset", "market1501"]])
def test_eval_refuses_what_only_reid_knows(place: Path, option: list[str]) -> None:
    done = reid_srdl("eval", "runs/srdl", *option, cwd=place)
    assert done.returncode == 2
    assert f"{option[0]}: says nothing about a classification run" in done.stderr


def test_leaderboard_shows_the_gain(place: Path) -> None:
    done = train(place, "vanilla", "--epochs", "8")
    assert done.returncode == 0, done.stderr
    done = reid_srdl("leaderboard", "runs", "--format", "json", cwd=place)
    tree = json.loads(done.stdout)
    assert [row["method_name"] for row in tree["rows"]] == ["vanilla", "srdl"]
    vanilla, srdl = (row["top1"]["mean"] for row in tree["rows"])
    assert tree["gains"][0]["top1"]["mean"] == pytest.approx(srdl - vanilla)


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("eval.ensembles=[srdl+third]", "srdl has no network third"),
        ("eval.ensembles=[srdl]", "'srdl' joins no two names"),
        ("data.identities=3", "class-folder has classes, no identities"),
    ],
)
def test_bad_settings_are_told_before_anything_is_written(
    place: Path, tmp_path: Path, assignment: str, told: str
) -> None:
    done = reid_srdl(
        *("train", *SMALL, "--data-dir", place / "data", "--method", "srdl", "--epochs", "2"),
        *("--set", assignment),
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "runs").exists()
