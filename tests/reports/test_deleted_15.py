"""Fault 15: a run's folder that is deleted while it trains is whole again in the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.soundness import problems_of
from reid_srdl.methods import OPTIONS
from reid_srdl.records.folder import RunFolder
from reid_srdl.training.monitor import EpochRow
from tests.reports.runs import Listener, people, run


class Deleting(Listener):
    """Deletes a folder at the end of an epoch."""

    def __init__(self, folder: Path, epoch: int) -> None:
        super().__init__()
        self._folder, self._epoch = folder, epoch

    def epoch_finished(self, row: EpochRow) -> None:
        super().epoch_finished(row)
        if self.epochs == self._epoch:
            shutil.rmtree(self._folder)


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("method", ["vanilla", "srdl"])
def test_fault_15_a_folder_deleted_meanwhile(tmp_path: Path, epoch: int, method: str) -> None:
    place = tmp_path / "runs"
    listener = Deleting(place / "r", epoch)
    record = run(people(tmp_path / "w"), place, listener=listener, method={"name": method})
    assert any("was deleted during the training" in line for line in listener.warnings)
    folder = RunFolder(place / "r")
    assert folder.read_config(OPTIONS).method.name == method
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert len(rows) == 2
    assert list(problems_of(folder.path, repair=False)) == []
    _, scored, _ = evaluate_run(folder.path, device="cpu")
    assert scored.evaluation == record.evaluations[0].result
