"""Where a step's time goes: parts that add up, marks that change nothing, a trace, words."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import yaml

from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone
from reid_srdl.jobs import measuring
from reid_srdl.jobs.profile import profile_run
from reid_srdl.methods.dml import DMLOptions, dml
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.models.network import Output
from reid_srdl.records.profiled import Operator, Profile
from reid_srdl.report.profile import profile_json, profile_tables
from reid_srdl.training.joining import Joining
from reid_srdl.training.marked import PARTS, Clocks, MarkedStep
from tests.cli.run import assert_told, reid_srdl_here
from tests.data.conftest import cache
from tests.reports.runs import TREE, classes, run_classes
from tests.training import tiny

__all__ = ["cache"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_SIDES", {"cpu": (64,)})
    monkeypatch.setattr(measuring, "_WARM", 1)


def written(place: Path) -> Path:
    """Returns a file of keys whose data is there."""
    data = {"name": "class-folder", "dir": str(classes(place / "set"))}
    tree = {**TREE, "data": {**TREE["data"], **data}, "method": {"name": "srdl"}}
    (place / "mine.yaml").write_text(yaml.safe_dump(tree))
    return place / "mine.yaml"


@pytest.mark.usefixtures("small")
def test_of_a_file_of_keys(tmp_path: Path, cache: Path) -> None:
    trace = tmp_path / "trace.json"
    found = profile_run(written(tmp_path), {}, Alone(), steps=3, trace=trace)
    assert (found.phase, found.method, found.batch_size, found.steps) == ("second", "srdl", 8, 3)
    assert set(found.parts) == set(PARTS)
    assert all(found.parts[name] > 0 for name in PARTS if name != "joining")
    assert 0 <= found.idle < 1
    assert found.rate == pytest.approx(found.flop / found.seconds)
    assert found.memory > 2**20
    assert [one.seconds for one in found.operators] == sorted(
        (one.seconds for one in found.operators), reverse=True
    )
    assert any("convolution" in one.name for one in found.operators)
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"data", "forward", "losses", "backward", "optimiser", "metrics"} <= names
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("small")
def test_of_a_run_and_of_its_first_phase(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_classes(classes(tmp_path / "set"), tmp_path / "runs", method={"name": "srdl"})
    words = ("profile", tmp_path / "runs/r", "--steps", "2", "--phase", "first")
    done = reid_srdl_here(*words, "--set", "optim.batch_size=4", "--json", streams=capsys)
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert (tree["phase"], tree["batch_size"], tree["processes"]) == ("first", 4, 1)
    assert tree["images_per_second"] == pytest.approx(4 / tree["seconds"])
    assert done.stderr == ""
    done = reid_srdl_here(*words[:-1], "third", streams=capsys)
    assert_told(done, "--phase third: no such phase", "second", status=2)


def test_marks_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tiny.weights(srdl(tiny.trainer(tmp_path / "plain"), 2, SRDLOptions())["srdl"])
    clocks = Clocks(torch.device("cpu"))
    monkeypatch.setattr("reid_srdl.training.fitting.Step", partial(MarkedStep, clocks))
    marked = tiny.weights(srdl(tiny.trainer(tmp_path / "marked"), 2, SRDLOptions())["srdl"])
    assert tiny.same(plain, marked)
    assert clocks.seconds["backward"] > 0


@pytest.mark.parametrize("order", ["in_turn", "at_once"])
def test_gathering_counts_as_joining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    waited = 0.0

    def slow(self: Joining, outputs: dict[str, Output]) -> dict[str, Output]:
        nonlocal waited
        began = time.perf_counter()
        time.sleep(0.002)
        waited += time.perf_counter() - began
        return outputs

    clocks = Clocks(torch.device("cpu"))
    monkeypatch.setattr("reid_srdl.training.fitting.Step", partial(MarkedStep, clocks))
    monkeypatch.setattr(Joining, "whole", slow)
    dml(tiny.trainer(tmp_path), 1, DMLOptions(order=order))
    assert waited > 0
    assert clocks.seconds["joining"] >= waited


def test_of_two_processes(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("-m", "tests.jobs.profile_member", str(written(tmp_path)), "--steps", "2", "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "REID_SRDL_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert (tree["processes"], tree["batch_size"]) == (2, 8)
    assert set(tree["parts"]) == set(PARTS)
    assert all(tree["parts"][name] > 0 for name in PARTS)
    assert tree["of_peak"] == pytest.approx(tree["flop_per_second"] / tree["peak"] / 2)


def test_a_part_within_another_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(times)))
    clocks = Clocks(torch.device("cpu"))
    with clocks.part("optimiser"), clocks.part("losses"), clocks.part("forward"):
        pass
    told = {name: seconds for name, seconds in clocks.seconds.items() if seconds}
    assert told == {"optimiser": 2.0, "losses": 2.0, "forward": 1.0}


def test_what_is_shown() -> None:
    parts = dict.fromkeys(PARTS, 0.01)
    found = Profile(
        run="r",
        phase="second",
        model="resnet18",
        method="srdl",
        dataset="market1501",
        size=(128, 64),
        batch_size=64,
        processes=1,
        kind="cpu",
        device="a processor",
        precision="fp32",
        threads=2,
        compiled=False,
        graph=False,
        steps=20,
        seconds=0.08,
        parts=parts,
        idle=0.25,
        flop=8_000_000_000,
        peak=4e11,
        memory=2**30,
        operators=(Operator("aten::add", 3.5, 0.002),),
    )
    first, facts, operators = profile_tables(found)
    assert first.title == "resnet18 at 128 x 64, srdl, phase second, 64 images a step, fp32"
    assert len(first.rows) == len(PARTS) - 1 + 2  # alone, nobody joins; two sums
    shared, told_of_both, _ = profile_tables(replace(found, processes=2))
    assert "joining answers and gradients" in {row.values["part"] for row in shared.rows}
    both = {row.values["what"]: row.values["value"] for row in told_of_both.rows}
    assert both["a matrix product in fp32, of each process"] == "400.0 GFLOP/s"
    assert both["achieved of that"] == "12.5 %"
    told = {row.values["what"]: row.values["value"] for row in facts.rows}
    assert told["images a second"] == "800"
    assert told["achieved"] == "100.0 GFLOP/s"
    assert told["achieved of that"] == "25.0 %"
    assert operators.rows[0].values == {"name": "aten::add", "calls": "3.5", "ms": "2.00"}
    assert profile_json(found)["of_peak"] == pytest.approx(0.25)


def test_a_trace_that_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't write the trace"):
        profile_run(tmp_path, {}, Alone(), trace=tmp_path / "file" / "x.json")


class FailedTrace:
    """A profile that PyTorch cannot write: it says so on stderr alone, and goes on."""

    def export_chrome_trace(self, path: str) -> None:
        """Writes nothing."""


class WrittenTrace:
    """A profile as PyTorch writes it."""

    def export_chrome_trace(self, path: str) -> None:
        """Writes what it saw."""
        Path(path).write_text("{}")


def test_a_trace_is_written_whole_or_that_is_an_error(tmp_path: Path) -> None:
    trace = tmp_path / "made" / "trace.json.gz"
    with pytest.raises(UserError, match="can't write the trace"):
        measuring._write_trace(cast(Any, FailedTrace()), trace)
    assert list(trace.parent.iterdir()) == []
    measuring._write_trace(cast(Any, WrittenTrace()), trace)
    assert gzip.decompress(trace.read_bytes()) == b"{}"


def test_what_is_no_run_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = reid_srdl_here("profile", tmp_path, streams=capsys)
    assert_told(done, "not a run folder", "or a YAML file of keys", status=2)
    done = reid_srdl_here("profile", tmp_path / "x.yaml", streams=capsys)
    assert_told(done, "no such file", "or a YAML file of keys", status=2)
