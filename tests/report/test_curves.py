"""Curves as figures and as events, from what runs wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.jobs.report_runs import read_entries
from reid_srdl.report.html.training import MEASURES, curves
from reid_srdl.training.monitor import EpochRow, NetworkRow
from reid_srdl.training.tensorboard import TensorBoardLog
from tests.cli.run import assert_told, reid_srdl_here


def _row(phase: str, epoch: int, loss: float) -> EpochRow:
    network = NetworkRow(terms={"ce": loss, "kl": 1.0}, accuracy=0.5)
    return EpochRow(
        phase=phase, epoch=epoch, epochs=2, networks={"n": network}, lr=0.1, images=9, seconds=3
    )


def test_phases_follow_each_other(walkers: Path) -> None:
    found, notes = read_entries([walkers / "r"])
    assert notes == []
    lines = {entry.row.method: list(curves(entry, MEASURES[0][2])) for entry in found}
    assert [one.x.tolist() for one in lines["vanilla"]] == [[1, 2]]
    assert [one.x.tolist() for one in lines["srdl"]] == [[1], [2]]
    rows = [
        json.loads(line) for line in (walkers / "r/srdl/metrics.jsonl").read_text().splitlines()
    ]
    losses = [sum(next(iter(row["networks"].values()))["terms"].values()) for row in rows]
    assert [float(one.y[0]) for one in lines["srdl"]] == pytest.approx(losses)


def test_curves_are_drawn(
    walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "a.svg"):
        done = reid_srdl_here("curves", walkers / "r", "--plot", tmp_path / name, streams=capsys)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).stat().st_size > 5_000
    wrong = reid_srdl_here("curves", walkers / "r", "--plot", tmp_path / "a.txt", streams=capsys)
    assert_told(wrong, "not a figure by its name", status=2)
    wrong = reid_srdl_here("curves", tmp_path / "no", "--plot", tmp_path / "a.png", streams=capsys)
    assert_told(wrong, "no such folder")


def test_events_are_those_of_the_epochs(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # a process that goes on writes all anew
        log = TensorBoardLog(tmp_path)
        log.phase_opened("first", 0.25, [_row("first", 1, 4.0)])
        log.epoch_finished(_row("first", 2, 3.0))
        log.phase_opened("second", 0.0, [])
        log.epoch_finished(_row("second", 1, 2.0))
        log.warned("second is at chance")
        log.evaluated("n", {"single_query": {"mAP": 0.25, "queries": 3}, "spread": None})
        log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()

    def of(tag: str) -> list[tuple[int, float]]:
        return [(one.step, one.value) for one in events.Scalars(tag)]

    assert of("first/loss/n") == [(1, 5.0), (2, 4.0)]
    assert of("second/ce/n") == [(3, 2.0)]
    assert of("second/images per second") == [(3, 3.0)]
    assert of("first/learning rate") == [(1, np.float32(0.1)), (2, np.float32(0.1))]
    assert of("evaluation/n/single_query/mAP") == [(3, 0.25)]
