"""From a study to its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import UserError
from tests.records.studies.made import STUDY, plan

TAUGHT: dict[str, Any] = {
    "contrasts": [],
    "cells": {
        "student": {
            "label": "student",
            "teacher": "large",
            "config": {"model": {"name": "resnet18"}, "method": {"name": "taught"}},
        },
        "other": {
            "label": "taught by the student's like",
            "teacher": "middle",
            "config": {"model": {"name": "resnet18"}, "method": {"name": "taught"}},
        },
        "large": {"label": "l", "config": {"method": {"name": "vanilla"}}},
        "middle": {
            "label": "m",
            "config": {"method": {"name": "vanilla"}, "model": {"name": "densenet121"}},
        },
    },
}


def test_cells_that_need_the_same_run_share_it(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    assert [run.name for run in planned.runs] == [
        "plain-seed0",
        "single-seed0",
        "plain-seed1",
        "single-seed1",
        "plain-seed2",
        "single-seed2",
    ]
    shared = planned.run_of("both", 1)
    assert shared is planned.run_of("single", 1)
    assert shared.cells == ("single", "both")
    assert shared.config.eval.ensembles == ("srdl+first",)
    assert set(shared.results) == {None, "srdl+first"}
    assert (shared.config.train.seed, shared.config.train.epochs) == (1, 200)


def test_a_selection_changes_no_runs_name_and_no_runs_configuration(tmp_path: Path) -> None:
    (run,) = plan(tmp_path, cells=["both"], seeds=[2]).runs
    whole = plan(tmp_path).run_of("both", 2)
    assert (run.name, run.config, run.cells) == (whole.name, whole.config, ("both",))


def test_teachers_come_first_and_are_those_of_the_same_seed(tmp_path: Path) -> None:
    planned = plan(tmp_path, changes=TAUGHT, seeds=[3, 1])
    assert [(run.name, run.teacher) for run in planned.runs] == [
        ("large-seed3", None),
        ("student-seed3", "large-seed3"),
        ("middle-seed3", None),
        ("other-seed3", "middle-seed3"),
        ("large-seed1", None),
        ("student-seed1", "large-seed1"),
        ("middle-seed1", None),
        ("other-seed1", "middle-seed1"),
    ]
    only = plan(tmp_path, changes=TAUGHT, seeds=[0], cells=["student"])
    assert [(run.name, run.cells) for run in only.runs] == [
        ("large-seed0", ()),
        ("student-seed0", ("student",)),
    ]


def test_equal_students_of_unlike_teachers_are_unlike_runs(tmp_path: Path) -> None:
    planned = plan(tmp_path, changes=TAUGHT)
    assert planned.cells["student"].key != planned.cells["other"].key


@pytest.mark.parametrize(("scale", "epochs"), [(0.05, 10), (0.0001, 1), (0.5, 100), (1.0, 200)])
def test_a_rehearsal_has_fewer_epochs_and_a_folder_of_its_own(
    tmp_path: Path, scale: float, epochs: int
) -> None:
    planned = plan(tmp_path, scale=scale)
    assert planned.cells["single"].config.train.epochs == epochs
    assert planned.folder_name == ("mine" if scale == 1 else f"mine-scale{scale:g}")
    if scale != 1:
        assert planned.cells["plain"].key != plan(tmp_path).cells["plain"].key


def test_unknown_cells_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        plan(tmp_path, cells=["plain", "singel", "x"])
    assert "no such cell: 'singel', 'x'" in raised.value.what
    assert "did you mean 'single'?" in raised.value.hint
    assert raised.value.exit_status == 2


def test_all_invalid_experiments_are_told_at_once(tmp_path: Path) -> None:
    cells = {
        "a": {"label": "a", "config": {"method": {"name": "srdl", "restrat": False}}},
        "b": {"label": "b", "config": {"train": {"epochs": -1}}},
        "c": {"label": "c", "published": {"single_mAP": 5}},
        "d": {"label": "d", "result": "third"},
        "e": {"label": "e", "result": "srdl+third"},
        "f": {**STUDY["cells"]["plain"]},
        "g": {
            "label": "g",
            "config": {
                "model": {"name": "mlp-800"},
                "method": {"name": "at", "teacher": "mlp-800"},
            },
        },
        "h": {
            "label": "h",
            "config": {"train": {"epochs": 2}, "method": {"name": "ban", "generations": 3}},
        },
    }
    with pytest.raises(UserError) as raised:
        plan(tmp_path, changes={"cells": cells, "contrasts": []})
    for word in (
        "cells.a: method.restrat",
        "cells.b: train.epochs",
        "cells.c: published.single_mAP: cifar100 has top1, top5",
        "cells.d: result: the run has no 'third'",
        "cells.e: ",
        "cells.g: at: the stages of mlp-800 have maps of one place",
        "cells.h: train.epochs: ban needs at least 3",
    ):
        assert word in raised.value.what
    assert "cells.f" not in raised.value.what
    assert "method.restart" in raised.value.hint
