"""What a study would take: nothing is written, and images are those that its runs will train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.jobs.studies.conduct import Where
from reid_srdl.jobs.studies.estimate import estimate
from reid_srdl.records.studies import plan_study, read_study
from reid_srdl.report.estimate import estimate_table
from tests.class_set import write_class_folder
from tests.training import tiny_nets

tiny_nets.add_rows()
IMAGES, EPOCHS, SEEDS = 6 * 20, 4, 2
STUDY: dict[str, Any] = {
    "title": "A study",
    "seeds": list(range(SEEDS)),
    "config": {
        "data": {"name": "class-folder", "height": 32, "width": 16},
        "model": {"name": "tiny"},
        "optim": {"batch_size": 4},
        "train": {"epochs": EPOCHS, "device": "cpu", "precision": "fp32", "threads": 1},
    },
    "cells": {
        "vanilla": {"label": "vanilla", "config": {"method": {"name": "vanilla"}}},
        "kd": {"label": "KD", "config": {"method": {"name": "kd"}}, "teacher": "vanilla"},
    },
}


def test_images_time_and_disk_of_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_class_folder(tmp_path / "set", train=20, test=2)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    plan = plan_study(read_study(tmp_path / "study.yaml"), experiment, rehearse)
    where = Where(tmp_path / "runs", lambda _: tmp_path / "set", "cpu", "fp32", threads=1)
    found = {one.name: one for one in estimate(plan, ["vanilla-seed0"], where)}
    vanilla, kd = found["vanilla"], found["kd"]
    assert (vanilla.name, vanilla.runs, vanilla.images) == ("vanilla", 1, EPOCHS * IMAGES)
    # The teacher is another run: here one pass of extraction and the student's epochs.
    assert (kd.name, kd.runs, kd.images) == ("kd", SEEDS, SEEDS * (1 + EPOCHS) * IMAGES)
    assert kd.seconds > 0
    assert kd.disk > vanilla.disk > 0
    assert not (tmp_path / "runs").exists()
    table = estimate_table([vanilla, kd], "what is missing")
    assert [row.values["runs"] for row in table.rows] == ["1", "2", "3"]
    assert table.rows[-1].values["images"] == f"{vanilla.images + kd.images:,}"


def test_a_teacher_that_a_run_trains_counts_among_its_epochs() -> None:
    tree = {**STUDY["config"], "method": {"name": "kd", "teacher": "wide", "teacher_epochs": 3}}
    assert rehearse(experiment(tree)).epochs == EPOCHS + 3
    assert rehearse(experiment(tree | {"method": {"name": "vanilla"}})).epochs == EPOCHS


def test_what_runs_share_counts_once_for_each_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_class_folder(tmp_path / "set", train=20, test=2)
    names = ("ban", "cwtm")
    cells = {name: {"label": name, "config": {"method": {"name": name}}} for name in names}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**STUDY, "cells": cells}))
    plan = plan_study(read_study(tmp_path / "study.yaml"), experiment, rehearse)

    def of(finished: list[str], share: bool = True) -> list[int]:
        where = Where(tmp_path / "runs", lambda _: tmp_path / "set", threads=1, share=share)
        return [one.images // IMAGES for one in estimate(plan, finished, where)]

    whole = EPOCHS + 1  # two generations of two epochs, and what the first one knows
    assert of([], share=False) == [SEEDS * whole, SEEDS * whole]
    assert of([]) == [SEEDS * whole, SEEDS * EPOCHS // 2]
    # the other one's row comes first now: it is the first that lacks a run
    assert of(["ban-seed0"]) == [SEEDS * whole, EPOCHS // 2]
