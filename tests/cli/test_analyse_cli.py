"""Analyses of finished runs from the command line, on tiny sets of classes and of persons."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.cli import app
from reid_srdl.errors import FileError, UserError
from reid_srdl.records.store import read_record
from reid_srdl.seals import write_sealed
from tests.class_set import write_class_folder
from tests.cli.run import reid_srdl
from tests.small_set import write_small_set

SMALL = (
    *("--model", "resnet18", "--batch-size", "12", "--precision", "fp32", "--device", "cpu"),
    *("--set", "train.threads=1", "--set", "optim.lr=0.02"),
    *("--set", "data.height=32", "--set", "data.width=32"),
)
CLASSES = (*SMALL, "--dataset", "class-folder", "--data-dir", "classes")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with finished runs: SRDL and two vanilla networks on classes, vanilla on persons."""
    place = tmp_path_factory.mktemp("analyse")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(place):
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        patch.setenv("COLUMNS", "200")
        _train_runs(place)
        yield place


def call(*arguments: str) -> Any:
    """Runs a command in this process, which has torch loaded already."""
    return CliRunner().invoke(app, arguments)


def _train_runs(place: Path) -> None:
    write_class_folder(place / "classes")
    write_small_set(place / "persons")
    persons = ("--dataset", "folder", "--data-dir", "persons", "--no-eval", "--method", "vanilla")
    for name, options in {
        "srdl": (*CLASSES, "--method", "srdl", "--set", "eval.ensembles=[srdl+first]"),
        "pair": (
            *(*CLASSES, "--method", "vanilla", "--set", "method.models=2"),
            *("--set", "eval.ensembles=[vanilla+vanilla-2]"),
        ),
        "persons": (*SMALL, *persons),
    }.items():
        done = call("train", *options, "--epochs", "2", "--name", name)
        assert done.exit_code == 0, done.exception


def analyse(*arguments: str) -> Any:
    done = call("analyse", *arguments, "--device", "cpu", "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def scores(place: Path, run: str, network: str) -> ClassScores:
    result = read_record(place / "runs" / run).results[network]
    assert isinstance(result, ClassScores)
    return result


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_width_of_two_runs(place: Path) -> None:
    weights = place / "runs/srdl/weights/srdl.safetensors"
    before = digest(weights)
    options = ("--directions", "2", "--steps", "3", "--plot", "both.png")
    srdl, vanilla = analyse("width", "runs/srdl", "runs/pair", *options)
    assert digest(weights) == before
    assert (place / "both.png").read_bytes().startswith(b"\x89PNG")
    assert srdl["settings"]["distances"] == [0.0, 2.5, 5.0]
    assert srdl["images"] == {"train": 36, "test": 18}
    for run, network, width in (("srdl", "srdl", srdl), ("pair", "vanilla", vanilla)):
        assert width["subject"]["network"] == network
        for row in width["losses"]["test"]:
            assert len(row) == 3
            assert row[0] == pytest.approx(scores(place, run, network).loss, rel=1e-6)
        assert len(width["losses"]["train"]) == 2
        kept = json.loads((place / f"runs/{run}/analyses/width.json").read_text())
        assert kept == width


def test_a_width_is_read_back_until_asked_again(place: Path) -> None:
    options = ("width", "runs/srdl:first", "--directions", "1", "--steps", "2", "--subset", "10")
    (first,) = analyse(*options)
    assert first["images"] == {"train": 10, "test": 10}
    kept = place / "runs/srdl/analyses/width-first.json"
    assert (place / "runs/srdl/analyses/width-first.svg").exists()
    marked = kept.read_text().replace(first["device"], "marked")
    write_sealed(kept, marked)
    assert analyse(*options)[0]["device"] == "marked"
    assert analyse(*options, "--seed", "1")[0]["device"] == first["device"]
    write_sealed(kept, marked)
    assert analyse(*options, "--again")[0] == first
    kept.write_text(marked)  # without its checksum: damaged, and measured again
    assert analyse(*options)[0] == first


def test_relative_distances_are_kept_apart(place: Path) -> None:
    options = ("width", "runs/pair:vanilla-2", "--directions", "1", "--steps", "2")
    (raw,) = analyse(*options, "--plot", "raw.pdf")
    (relative,) = analyse(*options, "--relative", "--plot", "relative.svg")
    assert raw["settings"]["distances"] == [0.0, 5.0]
    assert relative["settings"]["distances"] == [0.0, 1.0]
    assert relative["losses"]["train"][0][0] == raw["losses"]["train"][0][0]
    assert relative["losses"]["train"][0][1] != raw["losses"]["train"][0][1]
    names = {path.name for path in (place / "runs/pair/analyses").iterdir()}
    assert {"width-vanilla-2.json", "width-relative-vanilla-2.json"} <= names
    assert (place / "raw.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in (place / "relative.svg").read_bytes()


def test_a_table_for_people(place: Path) -> None:
    done = reid_srdl(
        *("analyse", "width", "runs/srdl", "--directions", "2", "--steps", "3"), cwd=place
    )
    assert done.returncode == 0, done.stderr
    for word in ("resnet18 SRDL", "train (36)", "test (18)", "±", "batch-norm statistics"):
        assert word in done.stdout
    assert "written: runs/srdl/analyses/width.json" in done.stderr


def test_training_cross_entropy_as_recorded_and_measured(place: Path) -> None:
    (entropy,) = analyse("entropy", "runs/srdl")
    lines = (place / "runs/srdl/metrics.jsonl").read_text().splitlines()
    last = {
        name: network["terms"]["ce"]
        for row in map(json.loads, lines)
        for name, network in row["networks"].items()
    }
    assert {phase["phase"]: phase["last_epoch"] for phase in entropy["phases"]} == last
    options = ("--directions", "1", "--steps", "2")
    for phase, network in ((0, "first"), (1, "srdl")):
        (width,) = analyse("width", f"runs/srdl:{network}", *options)
        at_optimum = width["losses"]["train"][0][0]
        assert entropy["phases"][phase]["clean"] == pytest.approx(at_optimum, rel=1e-6)
    kept = json.loads((place / "runs/srdl/analyses/entropy.json").read_text())
    assert kept == entropy


def test_entropies_stand_beside_the_papers(place: Path) -> None:
    done = call("analyse", "entropy", "runs/srdl", "runs/persons", "--recorded")
    assert done.exit_code == 0, done.exception
    for word in ("0.0087", "0.1637", "SRDL paper (quoted)", "evaluation mode", "as trained"):
        assert word in done.stdout
    assert not (place / "runs/persons/analyses/entropy.json").exists()


@pytest.mark.parametrize(
    ("run", "members"), [("srdl", ("srdl", "first")), ("pair", ("vanilla", "vanilla-2"))]
)
def test_an_ensemble_is_the_runs_own(place: Path, run: str, members: tuple[str, str]) -> None:
    (ensemble,) = analyse("ensemble", *(f"runs/{run}:{name}" for name in members))
    recorded = scores(place, run, "+".join(members))
    assert ensemble["scores"] == pytest.approx(recorded.model_dump())
    first = ensemble["members"][0]
    assert first["scores"] == pytest.approx(scores(place, run, members[0]).model_dump())


def test_an_ensemble_over_runs(place: Path) -> None:
    done = call("analyse", "ensemble", "runs/srdl", "runs/pair:vanilla-2")
    assert done.exit_code == 0, done.exception
    for word in ("srdl:srdl", "pair:vanilla-2", "mean of the probabilities"):
        assert word in done.stdout
    assert (place / "runs/srdl/analyses/ensemble.json").exists()


def test_persons_are_analysed_on_the_training_set_alone(place: Path) -> None:
    options = ("--directions", "1", "--steps", "2")
    (width,) = analyse("width", "runs/persons", *options)
    assert list(width["losses"]) == ["train"]
    (entropy,) = analyse("entropy", "runs/persons")
    assert entropy["phases"][0]["clean"] == pytest.approx(width["losses"]["train"][0][0])


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (("width", "runs/none"), ("runs/none", "not a run folder"), 1),
        (("width", "runs/srdl:third"), ("runs/srdl", "'third'", "srdl, first, second"), 2),
        (("width", "runs/srdl", "--plot", "a.jpg"), ("a.jpg", ".svg"), 2),
        (("ensemble", "runs/srdl"), ("two networks",), 2),
        (("ensemble", "runs/srdl", "runs/persons"), ("class-folder", "folder"), 2),
        (("ensemble", "runs/persons", "runs/persons"), ("runs/persons", "re-id"), 2),
        (("entropy", "classes"), ("classes", "no such record"), 1),
        (("entropy", "runs/srdl", "--data-dir", "nowhere"), ("nowhere",), 1),
    ],
)
def test_bad_input_is_told(
    place: Path, arguments: tuple[str, ...], words: tuple[str, ...], status: int
) -> None:
    error = call("analyse", *arguments).exception
    assert isinstance(error, UserError)
    assert error.exit_status == status
    for word in words:
        assert word in f"{error.what} {error.hint}"


def test_a_teacher_trained_in_the_run(place: Path) -> None:
    """Teacher and student of different networks: costs, an ensemble of both, each one's entropy."""
    method = ("--method", "kd", "--set", "method.teacher=resnet32", "--epochs", "1")
    more = ("--set", "method.teacher_epochs=2", "--set", "eval.ensembles=[kd+teacher]")
    done = call("train", *CLASSES, *method, *more, "--name", "kd")
    assert done.exit_code == 0, done.exception
    record = read_record(place / "runs/kd")
    assert record.method.label == "kd (teacher=resnet32, teacher_epochs=2)"
    fitted, extracted, student = record.phases
    told = [phase.network.model for phase in (fitted, extracted, student)]
    assert told == ["resnet32", "resnet32", "resnet18"]
    own_head = 64 * (100 - 6)  # the reference counts ResNet-32 with the classifier of CIFAR-100
    macs = extracted.work.forward / 36
    assert macs == pytest.approx(68.87e6 - own_head, rel=1e-3)
    expected = (macs * (2 + 1) + record.cost.macs * 1) * 36 / 1e16
    assert record.cost.trcost == pytest.approx(expected, rel=1e-12)
    assert record.cost.teachers == 0
    (ensemble,) = analyse("ensemble", "runs/kd", "runs/kd:teacher")
    assert ensemble["scores"] == pytest.approx(scores(place, "kd", "kd+teacher").model_dump())
    assert [member["subject"]["model"] for member in ensemble["members"]] == [
        "resnet18",
        "resnet32",
    ]
    (entropy,) = analyse("entropy", "runs/kd")
    assert [phase["model"] for phase in entropy["phases"]] == ["resnet32", "resnet18"]
    assert all(phase["clean"] > 0 for phase in entropy["phases"])


def test_a_run_taught_by_another(place: Path) -> None:
    """The teacher's folder is told by its network; its cost counts; other data are refused."""
    method = ("--method", "kd", "--epochs", "2", "--set", "method.teacher=runs/srdl")
    done = call("train", *CLASSES, *method, "--name", "taught")
    assert done.exit_code == 0, done.exception
    record, teacher = read_record(place / "runs/taught"), read_record(place / "runs/srdl")
    assert record.method.label == "kd (teacher=resnet18)"
    assert record.config["method"]["teacher"] == "srdl"  # type: ignore[index,call-overload]
    assert str(place) not in (place / "runs/taught/record.json").read_text()
    own = record.cost.macs * (2 + 1) * 36 / 1e16  # both networks are ResNet-18
    assert record.cost.trcost == pytest.approx(own + teacher.cost.trcost)
    assert record.cost.teachers == pytest.approx(teacher.cost.trcost)
    assert record.cost.teachers_work == teacher.work
    assert record.true_work.total == record.work.total + teacher.work.total
    with contextlib.chdir(place / "runs/taught"):  # the teacher's path was relative
        (place / "runs/taught/record.json").unlink()
        assert call("train", "--resume", ".").exit_code == 0
    assert read_record(place / "runs/taught").cost.trcost == record.cost.trcost

    persons = (*SMALL, "--dataset", "folder", "--data-dir", "persons")
    error = call("train", *persons, *method, "--name", "wrong").exception
    assert isinstance(error, UserError)
    assert "runs/srdl: this teacher was trained on class-folder, not on" in error.what


@pytest.mark.parametrize(
    "words",
    [
        ("ensemble", "runs/pair:vanilla", "runs/srdl"),
        ("entropy", "runs/pair"),
        ("width", "runs/pair", "--directions", "1", "--steps", "2", "--plot", "pair.svg"),
    ],
    ids=lambda words: words[0],
)
def test_what_cannot_be_recorded_is_shown_all_the_same(words: tuple[str, ...], place: Path) -> None:
    kept = place / "runs/pair/analyses"
    shutil.rmtree(kept, ignore_errors=True)
    kept.write_text("a file where a folder belongs")
    try:
        done = call("analyse", *words, "--device", "cpu", "--json")
    finally:
        kept.unlink()
    assert isinstance(done.exception, FileError)
    assert "can't write the analysis" in done.exception.what
    assert len(json.loads(done.stdout)) == 1
