"""Running a study: order, failures, several at once, stopping. The runs are fakes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock
import pytest

from reid_srdl.config import to_yaml
from reid_srdl.errors import UserError
from reid_srdl.jobs.studies import conduct as conducting
from reid_srdl.jobs.studies import process, reading, share
from reid_srdl.jobs.studies.conduct import Where
from reid_srdl.jobs.studies.run import run_study
from reid_srdl.jobs.studies.share import share_machine
from reid_srdl.machine import available_cores
from reid_srdl.records.studies import Plan, RunPlan, plan_study, read_study
from reid_srdl.records.studies.match import finished_runs, match
from reid_srdl.records.studies.progress import Outcome
from tests.records.studies.made import (
    METHODS,
    configure,
    finished,
    rehearsed,
    write_runs,
    write_study,
)

FOLDER = {"data": {"name": "folder"}, "method": {"name": "vanilla"}, "train": {"epochs": 3}}


class Recorder:
    """Remembers what happened, and stops everything when told to."""

    def __init__(self, stop_with: int | None = None) -> None:
        self.events: list[str] = []
        self.most = 0
        self._stop_with = stop_with

    def planned(self, done: int, total: int) -> None:
        self.events.append(f"planned:{done}:{total}")

    def begins(self, runs: Sequence[RunPlan], there: int) -> None:
        self.events.append(f"begins:{len(runs)}:{there}")

    def started(self, run: RunPlan) -> None:
        self.events.append(f"started:{run.name}")

    def ended(self, outcome: Outcome, process: object = None) -> None:
        self.events.append(f"{outcome.state}:{outcome.run.name}")

    def works(self, running: Sequence[process.RunProcess]) -> None:
        self.most = max(self.most, len(running))
        begun = sum((one.folder / "told.json").exists() for one in running)
        if self._stop_with is not None and begun >= self._stop_with:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_WORKER", "tests.jobs.studies.fake_worker")
    monkeypatch.setattr(conducting, "_POLL", 0.01)
    monkeypatch.setattr(reading, "OPTIONS", METHODS)
    monkeypatch.setattr(conducting, "KNOWN", METHODS)


def planned(folder: Path, cells: dict[str, dict[str, Any]], **options: Any) -> Plan:
    (folder / "set/query").mkdir(parents=True, exist_ok=True)
    tree = {
        "title": "x",
        "config": FOLDER,
        "seeds": [0],
        "cells": {
            name: {"label": name, "config": {"optim": {"lr": (index + 1) / 10}}, **cell}
            for index, (name, cell) in enumerate(cells.items())
        },
    }
    return plan_study(read_study(write_study(folder, tree)), configure, rehearsed, **options)


def conduct(plan: Plan, folder: Path, listener: Recorder | None = None, **settings: Any) -> Any:
    runs = folder / "runs"
    made, _ = finished_runs(runs, configure)
    where = Where(runs, lambda _: folder / "set", **settings)
    return run_study(plan, match(plan, runs, made), where, listener or Recorder())


def told(folder: Path, name: str, study: str = "mine") -> Any:
    return json.loads((folder / "runs/studies" / study / name / "told.json").read_text())


def test_a_failed_run_is_told_and_the_rest_go_on(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {}, "fails": {}, "dies": {}, "b": {}})
    listener = Recorder()
    a, fails, dies, b = conduct(plan, tmp_path, listener)
    assert [one.state for one in (a, fails, dies, b)] == [
        "finished",
        "failed",
        "failed",
        "finished",
    ]
    log = tmp_path / "runs/studies/mine/logs/fails-seed0.log"
    assert fails.error == f"fails-seed0 is not to be trained (log: {log})"
    assert "killed by signal 9" in dies.error
    assert listener.events[:3] == ["begins:4:0", "started:a-seed0", "finished:a-seed0"]
    assert listener.most == 1


def test_what_a_run_is_told(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {}}, seeds=[4], scale=0.5)
    conduct(plan, tmp_path, device="cpu", precision="fp32", threads=1, compile=True)
    config = told(tmp_path, "a-seed4", "mine-scale0.5")
    assert config["train"] | {"device": "cpu"} == config["train"]
    assert (config["train"]["seed"], config["train"]["epochs"]) == (4, 2)
    assert (config["train"]["precision"], config["train"]["threads"]) == ("fp32", 1)
    assert config["train"]["compile"] is True
    assert config["data"]["dir"] == str(tmp_path / "set")
    assert config["run"]["name"] == "a-seed4"
    manifest = json.loads((tmp_path / "runs/studies/mine-scale0.5/study.json").read_text())
    assert (manifest["study"], manifest["scale"], manifest["rehearsal"]) == ("mine", 0.5, True)


def test_finished_runs_are_left_alone(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {}, "b": {}})
    write_runs(tmp_path / "runs", finished(plan.run_of("a", 0), {"vanilla": 0.5}))
    listener = Recorder()
    a, b = conduct(plan, tmp_path, listener)
    assert (a.state, a.folder) == ("there", tmp_path / "runs/a-seed0")
    assert b.state == "finished"
    assert listener.events == ["begins:1:1", "started:b-seed0", "finished:b-seed0"]


def test_a_run_that_goes_on_keeps_its_machines_settings(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {}})
    run = plan.runs[0]
    train = run.config.train.model_copy(update={"precision": "bf16", "threads": 3, "compile": True})
    folder = tmp_path / "runs/studies/mine/a-seed0"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(run.config.model_copy(update={"train": train})))
    conduct(plan, tmp_path, precision="fp32", threads=1, compile=False)
    config = told(tmp_path, "a-seed0")
    kept = {key: config["train"][key] for key in ("precision", "threads", "compile")}
    assert kept == {"precision": "bf16", "threads": 3, "compile": True}


def test_students_wait_for_their_teachers(tmp_path: Path) -> None:
    taught = {"config": {"method": {"name": "taught"}}}
    cells = {
        "student": {**taught, "teacher": "master"},
        "pupil": {**taught, "teacher": "fails"},
        "master": {},
        "fails": {},
    }
    listener = Recorder()
    outcomes = {one.run.name: one for one in conduct(planned(tmp_path, cells), tmp_path, listener)}
    assert listener.events.index("finished:master-seed0") < listener.events.index(
        "started:student-seed0"
    )
    master = tmp_path / "runs/studies/mine/master-seed0"
    assert told(tmp_path, "student-seed0")["method"]["teacher"] == str(master)
    assert outcomes["pupil-seed0"].error == "its teacher fails-seed0 failed"
    assert "started:pupil-seed0" not in listener.events


@pytest.mark.parametrize("weights", [True, False])
def test_a_teacher_of_which_there_is_a_record_alone_is_trained_again(
    tmp_path: Path, weights: bool
) -> None:
    cells = {
        "student": {"config": {"method": {"name": "taught"}}, "teacher": "master"},
        "master": {},
    }
    plan = planned(tmp_path, cells)
    write_runs(tmp_path / "runs", finished(plan.run_of("master", 0), {"vanilla": 0.5}))
    if weights:
        (tmp_path / "runs/master-seed0/weights").mkdir()
    listener = Recorder()
    conduct(plan, tmp_path, listener)
    assert ("started:master-seed0" in listener.events) != weights
    teacher = tmp_path / "runs" / ("master-seed0" if weights else "studies/mine/master-seed0")
    assert told(tmp_path, "student-seed0")["method"]["teacher"] == str(teacher)


def test_several_runs_go_on_at_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"shares-a": {}, "shares-b": {}, "c": {}})
    listener = Recorder()
    outcomes = conduct(plan, tmp_path, listener, jobs=2)
    assert [one.state for one in outcomes] == ["finished"] * 3
    assert listener.most == 2


def test_ctrl_c_stops_the_runs_and_frees_the_folder(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"waits-a": {}, "waits-b": {}, "c": {}})
    with pytest.raises(KeyboardInterrupt):
        conduct(plan, tmp_path, Recorder(stop_with=2), jobs=2)
    folder = tmp_path / "runs/studies/mine"
    assert {path.parent.name for path in folder.glob("*/stopped")} == {
        "waits-a-seed0",
        "waits-b-seed0",
    }
    assert not (folder / "c-seed0").exists()
    with filelock.FileLock(folder / ".lock", timeout=0):
        pass


def test_a_missing_data_set_is_told_and_the_rest_go_on(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {"config": {"data": {"name": "market1501"}}}, "b": {}})
    runs = tmp_path / "runs"
    places = {"folder": tmp_path / "set", "market1501": tmp_path / "nowhere"}
    listener = Recorder()
    a, b = run_study(plan, {}, Where(runs, places.get), listener)
    assert (a.state, b.state) == ("failed", "finished")
    assert f"{tmp_path / 'nowhere'}: no such file or folder" in a.error
    assert "started:a-seed0" not in listener.events


def test_runs_of_another_configuration_are_named_and_nothing_begins(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {}, "b": {}})
    other = planned(tmp_path, {"a": {"config": {"optim": {"lr": 0.7}}}, "b": {}}).runs[0].config
    folder = tmp_path / "runs/studies/mine/a-seed0"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(other))
    listener = Recorder()
    with pytest.raises(UserError, match="holds a run of another configuration") as raised:
        conduct(plan, tmp_path, listener)
    assert str(folder) in raised.value.what
    assert listener.events == []


def test_two_processes_do_not_run_one_study(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": {}})
    folder = tmp_path / "runs/studies/mine"
    folder.mkdir(parents=True)
    with (
        filelock.FileLock(folder / ".lock"),
        pytest.raises(UserError, match="another process runs this study"),
    ):
        conduct(plan, tmp_path)


def test_runs_share_the_cores() -> None:
    assert (share_machine("cpu", None).jobs, share_machine("cpu", None).threads) == (1, None)
    assert share_machine("cpu", 2).threads == max(1, available_cores() // 2)


def test_runs_share_a_cuda_devices_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "available_cores", lambda: 16)
    for gibibytes, jobs in ((139, 8), (40, 2), (10, 1)):
        free = (gibibytes * 2**30, 141 * 2**30)
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda index, free=free: free)
        assert share._jobs_on_cuda(0) == jobs
