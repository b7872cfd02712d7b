"""A budget that cannot be met is told before any run of a study is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reid_srdl.errors import UserError
from reid_srdl.jobs import planning
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.jobs.studies import before
from reid_srdl.jobs.studies import run as running
from reid_srdl.jobs.studies.before import check_budgets
from reid_srdl.jobs.studies.conduct import Where, placed
from reid_srdl.jobs.studies.run import run_study
from reid_srdl.jobs.train import train
from reid_srdl.records.studies import Plan, plan_study, read_study
from tests.class_set import write_class_folder
from tests.jobs.studies.test_run import Recorder
from tests.training import tiny_nets

tiny_nets.add_rows()

TWO = ("vanilla", "ban")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_class_folder(tmp_path / "set", train=60, test=2)
    return tmp_path


def planned(place: Path, batch: int, scale: float = 1.0, **train: Any) -> Plan:
    """Two cells at equal cost: vanilla, and Born-Again Networks in two generations."""
    cells = {name: {"label": name, "config": {"method": {"name": name}}} for name in TWO}
    return study_of(place, batch, cells, scale, **train)


def taught(place: Path, batch: int, **train: Any) -> Plan:
    """Two cells: vanilla at its own cost, and KD at equal cost, taught by it."""
    vanilla = {"label": "v", "config": {"method": {"name": "vanilla"}, "train": {"budget": "own"}}}
    kd = {"label": "kd", "config": {"method": {"name": "kd"}}, "teacher": "vanilla"}
    return study_of(place, batch, {"vanilla": vanilla, "kd": kd}, **train)


def study_of(
    place: Path, batch: int, cells: dict[str, Any], scale: float = 1.0, **train: Any
) -> Plan:
    tree = {
        "title": "A study",
        "seeds": [0, 1],
        "config": {
            "data": {"name": "class-folder", "height": 32, "width": 16},
            "model": {"name": "staged"},
            "optim": {"batch_size": batch},
            "train": {"epochs": 4, "device": "cpu", "precision": "fp32", "threads": 1}
            | {"budget": "equal", **train},
        },
        "cells": cells,
    }
    (place / "study.yaml").write_text(yaml.safe_dump(tree))
    return plan_study(read_study(place / "study.yaml"), experiment, rehearse, scale=scale)


def where(place: Path, data: str = "set", device: str = "cpu") -> Where:
    return Where(place / "runs", lambda _: place / data, device, "fp32", threads=1)


def test_no_run_begins_where_one_s_budget_is_too_small(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "conduct", None)  # nothing comes so far
    with pytest.raises(UserError, match=r"^ban-seed0: train.budget: ban costs 0\.\d+ of") as told:
        run_study(planned(place, 120), {}, where(place), Recorder())
    assert "a lower optim.batch_size" in told.value.hint
    assert told.value.hint.endswith("; --cells leaves cells out")
    assert not (place / "runs").exists()


def test_budgets_that_can_be_met_pass(place: Path) -> None:
    told = Recorder()
    check_budgets(planned(place, 4), (), where(place), told)
    assert told.events == [f"planned:{done}:2" for done in range(2)]


def test_finished_runs_and_those_without_a_budget_are_not_asked(place: Path) -> None:
    check_budgets(planned(place, 120), ("ban-seed0", "ban-seed1"), where(place))
    check_budgets(planned(place, 120, budget="own"), (), where(place))
    with pytest.raises(UserError, match=r"^ban-seed1: "):
        check_budgets(planned(place, 120), ("ban-seed0",), where(place))


def test_budgets_of_runs_with_a_teacher_that_is_not_there_yet_are_asked_for(place: Path) -> None:
    with pytest.raises(UserError, match=r"^kd-seed0: train.budget: kd costs"):
        check_budgets(taught(place, 120), (), where(place))
    check_budgets(taught(place, 120), ("kd-seed0", "kd-seed1"), where(place))
    check_budgets(taught(place, 4), (), where(place))


def test_a_teacher_that_is_not_there_yet_costs_what_it_will(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    plan_run = planning.plan_run

    def noted(*arguments: Any) -> Any:
        made = plan_run(*arguments)
        shares.append(made.setting.share)
        return made

    monkeypatch.setattr(before, "plan_run", noted)
    study = taught(place, 4, epochs=2)
    check_budgets(study, ("vanilla-seed0",), where(place))
    train(placed(study.runs[0], where(place), place / "runs"))
    later = placed(study.runs[1], where(place), place / "runs", place / "runs/vanilla-seed0")
    assert study.runs[1].name == "kd-seed0"
    assert 0 < shares[0] < 1
    assert plan(later)["cost"]["share"] == shares[0]


def test_budgets_are_asked_for_where_there_is_no_such_device(place: Path) -> None:
    with pytest.raises(UserError, match=r"^ban-seed0: "):
        check_budgets(planned(place, 120), (), where(place, device="cuda:99"))


def test_a_rehearsal_is_told_to_be_a_longer_one(place: Path) -> None:
    with pytest.raises(UserError, match=r"^ban-seed0: ") as told:
        check_budgets(planned(place, 120, 0.5), (), where(place))
    assert told.value.hint.startswith("raise --scale, or take train.budget=own")


def test_a_fault_in_planning_is_left_to_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise OSError("a disk")

    monkeypatch.setattr(before, "plan_run", failing)
    check_budgets(planned(place, 120), (), where(place))


def test_what_else_is_wrong_is_left_to_the_run_that_it_stops(place: Path) -> None:
    check_budgets(planned(place, 120), (), where(place, data="elsewhere"))


@pytest.mark.parametrize("budget", ["own", "equal"])
def test_images_fewer_than_classes_are_told_before_any_run(place: Path, budget: str) -> None:
    few = {"method": {"name": "srdl"}, "data": {"images": 3}, "train": {"budget": budget}}
    own = {"method": {"name": "vanilla"}, "train": {"budget": "own"}}
    cells = {"a": {"label": "a", "config": own}, "b": {"label": "b", "config": few}}
    with pytest.raises(UserError, match=r"^b-seed0: data.images: 3 images leave none to") as told:
        run_study(study_of(place, 4, cells), {}, where(place), Recorder())
    assert told.value.hint.endswith("or more; --cells leaves cells out")
    assert not (place / "runs").exists()
