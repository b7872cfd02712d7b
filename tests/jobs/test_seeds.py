"""Several seeds: names of their runs, one row in the end, processes at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.seeds import rows_of, seeded, train_at_once
from reid_srdl.jobs.studies import process
from reid_srdl.jobs.studies.share import share_machine
from reid_srdl.jobs.train import train
from reid_srdl.jobs.train_input import TrainLine
from reid_srdl.report.study_progress import StudyDisplay
from tests.data.conftest import cache
from tests.reports.runs import config, people

__all__ = ["cache"]


def test_each_is_an_ordinary_run_and_all_share_a_row(tmp_path: Path, cache: Path) -> None:
    data, runs = people(tmp_path / "data"), tmp_path / "runs"
    asked = config(data, runs, "mine")
    one, two = seeded(asked, [0, 3, 0])
    assert (one.run.name, two.run.name) == ("mine-seed0", "mine-seed3")
    assert [own.train.seed for own in (one, two)] == [0, 3]
    records = [train(own) for own in (one, two)]
    train(config(data, runs, "other", optim={"lr": 0.01}))
    (row,) = rows_of([one, two]).rows
    assert row.runs == tuple(record.name for record in records)
    assert row.seeds == (0, 3)
    unnamed = seeded(config(data, runs, None), [0, 1])
    assert [own.run.name and own.run.name.split("-")[3] for own in unnamed] == ["seed0", "seed1"]


def test_another_machine_chooses_its_device_and_this_one_no_name(tmp_path: Path) -> None:
    asked = config(people(tmp_path / "data"), tmp_path / "runs", None)
    for device in ("auto", "cuda:7"):  # which is not here
        own = {"device": device, "precision": "tf32", "threads": None}
        there = asked.model_copy(update={"train": asked.train.model_copy(update=own)})
        (one,) = seeded(there, [0], elsewhere=True)
        assert (one.train.device, one.train.precision, one.train.threads) == (device, "tf32", None)
        assert one.run.name
    with pytest.raises(UserError, match="is not there"):
        seeded(there, [0])


def test_a_precision_that_is_not_here_is_told_once_before_any_run() -> None:
    with pytest.raises(UserError, match="tf32 is how CUDA devices multiply"):
        share_machine("cpu", None, "tf32")


def test_several_at_once_are_processes_and_a_failure_is_told(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_WORKER", "tests.jobs.seed_worker")
    data, runs = people(tmp_path / "data"), tmp_path / "runs"
    configs = seeded(config(data, runs, "mine"), [0, 1, 2])
    with StudyDisplay("seeds", 3) as display:
        outcomes = train_at_once(configs, 3, display)
    assert [one.state for one in outcomes] == ["finished", "finished", "failed"]
    assert "seed 2 fails" in outcomes[2].error
    told = [json.loads((runs / f"mine-seed{n}.json").read_text()) for n in (0, 1)]
    assert [tree["train"]["seed"] for tree in told] == [0, 1]
    assert {tree["data"]["dir"] for tree in told} == {str(data)}
    assert {tree["run"]["dir"] for tree in told} == {str(runs)}
    assert not [path for path in runs.iterdir() if path.is_dir() and path.name != ".logs"]


def test_what_says_nothing_about_several_seeds_is_refused() -> None:
    for given, seeds, jobs, told in (
        ({}, None, 2, False),
        ({"train.seed": 1}, "0,1", None, False),
        ({}, "0,1", None, True),
    ):
        with pytest.raises(UserError, match=r"--seeds?"):
            TrainLine(given=given, seeds=seeds, jobs=jobs, plan=told).check(json=False)
    TrainLine(seeds="0,1", jobs=2).check(json=False)
