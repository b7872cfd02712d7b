"""Runs are listed, checked and pruned, and caches cleared, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reid_srdl.cli import app
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.shell.outcome import run
from tests.jobs.test_starting import tree
from tests.small_set import write_small_set

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    write_small_set(place / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        train(experiment(tree(place, run={"name": "whole"})))
    return place


def test_runs(made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    runs = shutil.copytree(made / "runs", tmp_path / "runs")
    one = runs / "whole"
    assert run(app, ["runs", "list", str(runs)]) == 0
    assert "finished" in capsys.readouterr().out
    assert run(app, ["runs", "check", str(one)]) == 0
    assert "every file is what the run wrote" in capsys.readouterr().out
    before = sorted(one.rglob("*"))
    assert run(app, ["runs", "prune", str(one), "--dry-run"]) == 0
    assert "would be freed" in capsys.readouterr().out
    assert sorted(one.rglob("*")) == before
    assert run(app, ["runs", "prune", str(one)]) == 0
    assert len(sorted(one.rglob("*"))) < len(before)
    assert run(app, ["runs", "check", str(one)]) == 0
    (one / "metrics.jsonl").write_text("x")
    capsys.readouterr()
    assert run(app, ["runs", "check", str(one)]) == 1
    told = capsys.readouterr()
    assert "metrics.jsonl: damaged" in told.out
    assert "--repair" in told.err
    assert run(app, ["runs", "check", str(one), "--repair"]) == 0
    assert run(app, ["runs", "check", str(one)]) == 0
    capsys.readouterr()
    assert run(app, ["runs", "check", str(tmp_path)]) == 0
    assert "1 run, every file is what the run wrote" in capsys.readouterr().out
    assert run(app, ["runs", "check", str(made / "set")]) == 1
    assert run(app, ["cache", "list"]) == run(app, ["cache", "clear"]) == 0
    assert "0 B freed" in capsys.readouterr().out
