"""The figure that an analysis leaves in a run's folder is a file of the run, with a checksum."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.cli import app
from reid_srdl.shell.outcome import run as command
from tests.reports.runs import classes, run_classes


def test_11_runs_check_knows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, folder = classes(tmp_path / "c"), tmp_path / "runs" / "r"
    run_classes(data, tmp_path / "runs", train={"epochs": 1})
    asked = ["analyse", "width", str(folder), "--data-dir", str(data), "--device", "cpu"]
    assert command(app, [*asked, "--steps", "2", "--directions", "1"]) == 0
    figure = folder / "analyses" / "width.svg"
    assert figure.is_file()
    assert command(app, ["runs", "check", str(folder)]) == 0
    figure.write_bytes(figure.read_bytes()[:-1])
    capsys.readouterr()
    assert command(app, ["runs", "check", str(folder)]) == 1
    assert "width.svg" in "".join(capsys.readouterr())
