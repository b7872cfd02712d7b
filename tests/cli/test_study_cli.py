"""``reid-srdl study`` from the shell's side: a tiny study, killed, run to its end, shown."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
import yaml

from reid_srdl.cli import main
from reid_srdl.records.store import read_record
from tests.class_set import write_class_folder
from tests.cli.run import assert_told, reid_srdl
from tests.small_set import write_small_set

TINY = {
    "title": "A tiny study",
    "seeds": [0],
    "config": {
        "data": {"name": "folder", "height": 32, "width": 16},
        "model": {"name": "resnet18"},
        "optim": {"lr": 0.01, "batch_size": 12},
        "train": {"epochs": 40, "threads": 1, "precision": "fp32"},
    },
    "cells": {
        "vanilla": {
            "label": "vanilla",
            "config": {"method": {"name": "vanilla"}},
            "published": {"single_mAP": 50},
            "quoted": {"trcost": 0.5},
        },
        "srdl": {
            "label": "SRDL",
            "config": {"method": {"name": "srdl"}},
            "published": {"single_mAP": 60},
        },
    },
    "contrasts": [{"label": "SRDL - vanilla", "of": "srdl", "over": "vanilla"}],
}
CLASSES = {
    "title": "Classes",
    "seeds": [3],
    "config": {
        "data": {"name": "class-folder", "height": 16, "width": 16},
        "model": {"name": "resnet32"},
        "optim": {"lr": 0.01, "batch_size": 12},
        "train": {"epochs": 2, "threads": 1, "precision": "fp32"},
    },
    "width": {"farthest": 1, "steps": 2, "directions": 1},
    "cells": {
        "student": {
            "label": "ResNet-32 + KD",
            "teacher": "master",
            "config": {"method": {"name": "kd"}},
            "published": {"top1": 71.17},
        },
        "single": {"label": "SRDL", "config": {"method": {"name": "srdl"}}},
        "both": {
            "label": "SRDL, two models",
            "config": {"method": {"name": "srdl"}},
            "result": "srdl+first",
            "published": {"top1": 72.33},
        },
        "master": {
            "label": "the teacher",
            "config": {"method": {"name": "vanilla"}, "model": {"name": "resnet18"}},
        },
    },
    "contrasts": [{"label": "two - one", "of": "both", "over": "single"}],
}
RUN = ("study", "run", "tiny.yaml", "--data-dir", "folder=set", "--scale", "0.1")
SHOW = ("study", "show", "tiny.yaml", "--scale", "0.1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and a study of 4 epochs a run, killed in its second run."""
    place = tmp_path_factory.mktemp("study")
    write_small_set(place / "set")
    (place / "tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    command = [sys.executable, "-m", "reid_srdl", *RUN]
    process = subprocess.Popen(
        command, cwd=place, stderr=subprocess.DEVNULL, env=os.environ | {"REID_SRDL_CACHE": "cache"}
    )
    metrics = place / "runs/studies/tiny-scale0.1/srdl-seed0/metrics.jsonl"
    try:
        for _ in range(15000):  # a busy machine takes its time
            if metrics.exists() and metrics.read_text().splitlines():
                break
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with filelock.FileLock(metrics.parent / ".lock", timeout=30):
        pass  # its run has noticed, and stopped too
    return place


@pytest.fixture
def whole(place: Path) -> Path:
    """The same, finished: another process of the tests may have run what finishes it."""
    if not (place / "runs/studies/tiny-scale0.1/srdl-seed0/record.json").exists():
        done = reid_srdl(*RUN, cwd=place)
        assert done.returncode == 0, done.stderr
    return place


def test_killed_and_run_again_it_comes_to_its_end(place: Path) -> None:
    folder = place / "runs/studies/tiny-scale0.1"
    assert (folder / "vanilla-seed0/record.json").exists()
    assert not (folder / "srdl-seed0/record.json").exists()
    begun = read_record(folder / "vanilla-seed0").created
    done = reid_srdl(*RUN, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "2 runs, 1 finished before" in done.stderr
    assert "srdl-seed0: started" in done.stderr
    assert "vanilla-seed0: started" not in done.stderr
    assert "[2/2] srdl-seed0: finished; elapsed" in done.stderr
    assert "rehearsal at scale 0.1: not comparable with the paper" in done.stderr
    assert "reid-srdl study show tiny.yaml --scale 0.1" in done.stderr
    assert "epochs read back" in (folder / "logs/srdl-seed0.log").read_text()
    assert read_record(folder / "vanilla-seed0").created == begun
    assert read_record(folder / "srdl-seed0").epochs == 4
    again = reid_srdl(*RUN, cwd=place)
    assert again.returncode == 0, again.stderr
    assert "started" not in again.stderr


def test_by_the_same_command_as_train_the_scores_are_the_same(whole: Path) -> None:
    """A study's run is a run of ``reid-srdl train``, and counts where that one would."""
    place = whole
    config = yaml.safe_load(yaml.safe_dump(TINY["config"]))
    config["method"] = {"name": "srdl"}
    (place / "alone.yaml").write_text(yaml.safe_dump(config))
    arguments = ("--config", "alone.yaml", "--data-dir", "set", "--epochs", "4", "--name", "alone")
    done = reid_srdl("train", *arguments, "--runs", "other", cwd=place)
    assert done.returncode == 0, done.stderr
    study = read_record(place / "runs/studies/tiny-scale0.1/srdl-seed0")
    alone = read_record(place / "other/alone")
    assert alone.experiment == study.experiment
    assert alone.evaluations == study.evaluations
    shown = reid_srdl(*SHOW, "--runs", "other", "--format", "json", cwd=place)
    cells = {cell["cell"]: cell for cell in json.loads(shown.stdout)["cells"]}
    assert cells["srdl"]["runs"] == ["other/alone"]
    assert cells["vanilla"]["state"] == "not run"


def test_teachers_ensembles_and_widths(tmp_path: Path) -> None:
    """Three runs: a teacher, its student, and one run that two cells show."""
    write_class_folder(tmp_path / "set")
    (tmp_path / "classes.yaml").write_text(yaml.safe_dump(CLASSES, sort_keys=False))
    done = reid_srdl("study", "run", "classes.yaml", "--data-dir", "set", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all 3 runs are finished" in done.stderr
    folder = tmp_path / "runs/studies/classes"
    teacher, student, srdl = (
        read_record(folder / f"{name}-seed3") for name in ("master", "student", "single")
    )
    assert student.cost.teachers == pytest.approx(teacher.cost.trcost)
    assert (folder / "width.svg").is_file()
    shown = reid_srdl("study", "show", "classes.yaml", "--format", "json", cwd=tmp_path)
    tree = json.loads(shown.stdout)
    cells = {cell["cell"]: cell for cell in tree["cells"]}
    assert cells["student"]["trcost"] == pytest.approx(student.cost.trcost)
    for name in ("single", "both"):
        result = srdl.results["srdl" if name == "single" else "srdl+first"]
        assert cells[name]["runs"] == ["runs/studies/classes/single-seed3"]
        assert cells[name]["scores"][0]["measured"]["mean"] == result.top1  # type: ignore[union-attr]
    (two_less_one,) = tree["contrasts"]
    assert two_less_one["scores"][0]["measured"]["n"] == 1
    widths = {width["run"]: width for width in tree["widths"]}
    assert set(widths) == {"student-seed3", "single-seed3", "master-seed3"}
    assert widths["single-seed3"]["distances"] == [0.0, 1.0]
    tested = srdl.results["srdl"].loss  # type: ignore[union-attr]
    assert widths["single-seed3"]["mean"]["test"][0] == pytest.approx(tested, rel=1e-4)
    table = reid_srdl("study", "show", "classes.yaml", cwd=tmp_path).stdout
    assert "Cross-entropy at theta + d v" in table


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "latex"])
def test_every_format_marks_a_rehearsal(
    form: str, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = whole
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["reid-srdl", *SHOW, "--format", form])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr().out
    score = read_record(place / "runs/studies/tiny-scale0.1/vanilla-seed0").result
    assert score is not None
    mean_ap = score.single_query.mAP  # type: ignore[union-attr]
    if form == "json":
        tree = json.loads(printed)
        assert (tree["scale"], tree["not_run"]) == (0.1, [])
        assert tree["rehearsal"] == "rehearsal at scale 0.1: not comparable with the paper"
        (row,) = [one for one in tree["cells"][0]["scores"] if one["metric"] == "single_mAP"]
        assert row["published"] == 0.5
        assert row["measured"]["mean"] == pytest.approx(mean_ap)
        assert row["measured"]["low"] is None
        assert tree["cells"][0]["trcost_published"] == 0.5
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(printed)))
        assert {row["rehearsal"] for row in rows} == {"yes"}
        assert {row["kind"] for row in rows} == {"row", "gain"}
        (row,) = [row for row in rows if (row["cell"], row["metric"]) == ("vanilla", "single_mAP")]
        assert float(row["mean"]) == pytest.approx(mean_ap)
        assert row["n"] == "1"
    else:
        assert "rehearsal at scale 0.1: not comparable with the paper" in printed
        assert f"{100 * mean_ap:.2f} (1)" in printed
        assert "ours, scale 0.1" in printed


def test_a_full_study_knows_nothing_of_its_rehearsal(place: Path) -> None:
    done = reid_srdl("study", "show", "tiny.yaml", "--output", "out/tiny.txt", cwd=place)
    assert done.returncode == 0, done.stderr
    text = (place / "out/tiny.txt").read_text()
    assert "note: not run: vanilla, srdl" in text
    assert "rehearsal" not in text
    assert done.stdout == ""


def test_a_folder_of_another_configuration_is_named(place: Path) -> None:
    tree = {**TINY, "config": {**TINY["config"], "eval": {"flip": True}}}  # type: ignore[dict-item]
    (place / "changed").mkdir(exist_ok=True)
    (place / "changed/tiny.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    folder = "runs/studies/tiny-scale0.1/vanilla-seed0"
    words = ("holds a run of another configuration", folder)
    changed = [word.replace("tiny.yaml", "changed/tiny.yaml") for word in RUN]
    assert_told(reid_srdl(*changed, cwd=place), *words)
    shown = reid_srdl("study", "show", "changed/tiny.yaml", "--scale", "0.1", cwd=place)
    assert shown.returncode == 0
    assert f"note: {folder}: holds a run of another configuration (left out)" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "tabel4"], ["no such study: 'tabel4'", "did you mean 'table4'?"]),
        (["show", "nowhere.yaml"], ["nowhere.yaml: no such file"]),
        (["show", "tiny.yaml", "--cells", "srld"], ["no such cell: 'srld'", "'srdl'"]),
        (["show", "tiny.yaml", "--cells", ","], ["--cells: names nothing"]),
        (["run", "tiny.yaml", "--seeds", "0,x"], ["--seeds 0,x: x: not a seed"]),
        (["run", "tiny.yaml", "--scale", "0"], ["--scale: must be above 0"]),
        (
            ["run", "tiny.yaml", "--data-dir", "floder=set"],
            ["no such data set 'floder'", "did you mean 'folder'?"],
        ),
        (["run", "tiny.yaml", "--data-dir", "a", "--data-dir", "b"], ["two folders"]),
        (["run", "tiny.yaml", "--precision", "fp16"], ["--precision fp16"]),
        (["run", "tiny.yaml", "--device", "tpu"], ["no such device 'tpu'"]),
    ],
)
def test_wrong_calls_are_told(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reid-srdl", "study", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    for word in words:
        assert word in printed.err
    assert not (tmp_path / "runs").exists()


def test_failures_end_in_status_1(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    done = reid_srdl("study", "run", "tiny.yaml", "--data-dir", "nowhere", cwd=tmp_path)
    assert_told(done, "2 of 2 runs failed: vanilla-seed0, srdl-seed0: nowhere: no such file")


def test_the_list_tells_every_study(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reid-srdl", "study", "list"])
    with pytest.raises(SystemExit):
        main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        *(
            f"family_{data}{kind}"
            for data in ("cifar100", "market1501", "mnist")
            for kind in ("", "_own", "_teacher_given")
        ),
        "figure4",
        "lecture_mnist",
        "market1501",
        "recipe_market1501",
        "rehearsal_cifar100",
        "rehearsal_market1501",
        "rehearsal_recipe_market1501",
        "strong_recipe_market1501",
        *(f"table{number}" for number in range(1, 7)),
        "transfer_cifar100",
    ]
