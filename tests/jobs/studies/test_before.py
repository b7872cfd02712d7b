"""A budget that cannot be met is told before any run of a study is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.jobs.studies import run as running
from reid_srdl.jobs.studies.before import check_budgets
from reid_srdl.jobs.studies.conduct import Where
from reid_srdl.jobs.studies.run import run_study
from reid_srdl.records.studies import Plan, plan_study, read_study
from tests.class_set import write_class_folder
from tests.jobs.studies.test_run import Recorder
from tests.training import tiny_nets

tiny_nets.add_rows()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_class_folder(tmp_path / "set", train=60, test=2)
    return tmp_path


def planned(place: Path, batch: int, **train: Any) -> Plan:
    """Two cells at equal cost: vanilla, and Born-Again Networks in two generations."""
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
        "cells": {
            name: {"label": name, "config": {"method": {"name": name}}}
            for name in ("vanilla", "ban")
        },
    }
    (place / "study.yaml").write_text(yaml.safe_dump(tree))
    return plan_study(read_study(place / "study.yaml"), experiment, rehearse)


def where(place: Path, data: str = "set") -> Where:
    return Where(place / "runs", lambda _: place / data, "cpu", "fp32", threads=1)


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
    check_budgets(planned(place, 4), (), where(place))


def test_finished_runs_and_those_without_a_budget_are_not_asked(place: Path) -> None:
    check_budgets(planned(place, 120), ("ban-seed0", "ban-seed1"), where(place))
    check_budgets(planned(place, 120, budget="own"), (), where(place))
    with pytest.raises(UserError, match=r"^ban-seed1: "):
        check_budgets(planned(place, 120), ("ban-seed0",), where(place))


def test_what_else_is_wrong_is_left_to_the_run_that_it_stops(place: Path) -> None:
    check_budgets(planned(place, 120), (), where(place, data="elsewhere"))
