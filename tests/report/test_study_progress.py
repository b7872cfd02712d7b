"""What a study's display tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reid_srdl.records.studies.progress import Outcome
from reid_srdl.report import study_progress
from reid_srdl.report.study_progress import StudyDisplay
from tests.records.studies.made import plan


def process(name: str, seconds: list[float], network: str = "resnet50") -> Any:
    """What the display asks of a run's process."""
    return SimpleNamespace(
        name=name, epoch_seconds=lambda: seconds, epochs=200, dataset="cifar100", network=network
    )


def test_plain_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    now = [1000.0]
    monkeypatch.setattr(study_progress.time, "monotonic", lambda: now[0])
    runs = plan(tmp_path, seeds=[0]).runs
    with StudyDisplay("A study", jobs=1) as display:
        for done in range(2):
            display.planned(done, 2)
        display.begins(runs, there=3)
        display.started(runs[0])
        now[0] += 30
        display.works([process("plain-seed0", [2.0, 4.0])])  # too early for a line
        now[0] += 40
        display.works([process("plain-seed0", [2.0, 4.0])])
        now[0] += 530
        outcome = Outcome(runs[0], "finished", tmp_path)
        display.ended(outcome, process("plain-seed0", [3.0] * 200))
        display.ended(Outcome(runs[1], "failed", tmp_path, "no room"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "A study: planning 2 kinds of runs before any begins",
        "A study: 5 runs, 3 finished before",
        "plain-seed0: started",
        # 198 epochs of this run and 200 of the other, 3 seconds each
        "3 of 5 runs over; plain-seed0 epoch 2/200; elapsed 0:01:10, left about 0:19:54",
        "[4/5] plain-seed0: finished; elapsed 0:10:00, left about 0:10:00",
        "[5/5] single-seed0: failed: no room; elapsed 0:10:00",
    ]


def test_an_unknown_pace_is_said_and_several_runs_share_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    now = [0.0]
    monkeypatch.setattr(study_progress.time, "monotonic", lambda: now[0])
    cells = {
        "a": {"label": "a", "config": {"method": {"name": "vanilla"}}},
        "b": {
            "label": "b",
            "config": {"method": {"name": "vanilla"}, "model": {"name": "resnet18"}},
        },
    }
    runs = plan(tmp_path, seeds=[0], changes={"cells": cells, "contrasts": []}).runs
    with StudyDisplay("A study", jobs=2) as display:
        display.begins(runs, there=0)
        now[0] = 60.0
        network = runs[0].config.model.name
        display.works([process("a-seed0", [2.0] * 100, network), process("b-seed0", [])])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "A study: 2 runs, 0 finished before, 2 at once"
    assert lines[1].endswith("elapsed 0:01:00, left more than 0:01:40")
