"""``train --plan`` on the command line: the record before the run, and nothing is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.class_set import write_class_folder
from tests.cli.run import assert_told, reid_srdl
from tests.jobs.test_plan import CLOCK, differences, files

SMALL = (
    *("--dataset", "class-folder", "--data-dir", "set", "--model", "resnet8", "--epochs", "3"),
    *("--batch-size", "10", "--device", "cpu", "--precision", "fp32"),
    *("--set", "data.height=16", "--set", "data.width=16", "--set", "model.width=4"),
    *("--set", "train.threads=1"),
)
METHODS: dict[str, tuple[str, ...]] = {
    "vanilla": ("--method", "vanilla"),
    "complete": ("--method", "srdl"),
    "incomplete": ("--method", "srdl", "--set", "method.schedule=incomplete"),
    "no-restart": ("--method", "srdl", "--set", "method.restart=off"),
    "taught-here": ("--method", "kd", "--set", "method.teacher=resnet20"),
    "taught-before": ("--method", "kd", "--set", "method.teacher=./runs/vanilla"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 24 images of six classes."""
    place = tmp_path_factory.mktemp("plan")
    write_class_folder(place / "set", train=4, test=2, size=16)
    return place


def options(name: str) -> tuple[str, ...]:
    return (*SMALL, *METHODS[name], "--name", name)


def numbers(tree: object) -> Iterator[float]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from numbers(value)
    elif isinstance(tree, int | float):
        yield tree


@pytest.mark.parametrize("name", METHODS)
def test_the_plan_is_the_record_in_everything_but_seconds(place: Path, name: str) -> None:
    if name == "taught-before" and not (place / "runs/vanilla/record.json").exists():
        assert reid_srdl("train", *options("vanilla"), cwd=place).returncode == 0
    before = files(place)
    planned, shown = (
        reid_srdl("train", *options(name), "--plan", *more, cwd=place) for more in (["--json"], [])
    )
    assert (planned.returncode, shown.returncode) == (0, 0), planned.stderr + shown.stderr
    assert files(place) == before  # no run's folder, and no cache where there was none
    plan = json.loads(planned.stdout)

    done = reid_srdl("train", *options(name), cwd=place)
    assert done.returncode == 0, done.stderr
    record = json.loads((place / "runs" / name / "record.json").read_text())
    ours = {key: value for key, value in plan.items() if key != "networks"}
    assert not list(differences(ours, record))
    assert plan["networks"] == [one["network"] for one in record["evaluations"]]
    assert min(numbers({key: plan["timing"][key] for key in CLOCK & plan["timing"].keys()})) > 0

    # What people see: a line of each phase with its epochs, and the run's work.
    for phase in record["phases"]:
        (line,) = re.findall(rf"^.*\b{phase['name']}\b.*\b{phase['kind']}\b.*$", shown.stdout, re.M)
        assert re.search(rf"\b{phase['epochs']:g}\b", line)
        assert f"{phase['work']['forward'] / 1e12:.4g}" in line
    assert f"work: {record['work']['total'] / 1e12:.4g} x 10^12" in shown.stdout
    assert "nothing is written" in shown.stdout


def test_a_plan_of_what_cannot_be_is_told_and_nothing_is_written(place: Path) -> None:
    before = files(place)
    words = ("--method", "kd", "--set", "method.teacher=./runs/nowhere", "--name", "lost", "--plan")
    done = reid_srdl("train", *SMALL, *words, cwd=place)
    assert_told(done, "runs/nowhere")
    assert not done.stdout
    assert files(place) == before
