"""A study on a real SLURM: a job cancelled, one killed, one out of time, whoever sends them killed.

Every record must come out as on one machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reid_srdl.jobs.studies.asked import asked_plan
from reid_srdl.jobs.studies.conduct import Where, placed
from reid_srdl.jobs.train import train
from reid_srdl.records.store import read_record
from tests.class_set import write_class_folder
from tests.cli.run import reid_srdl_here
from tests.slurm import cluster

STUDY = {
    "title": "Six runs",
    "seeds": [0],
    "config": {
        "data": {"name": "class-folder", "height": 16, "width": 16},
        "model": {"name": "resnet20"},
        "optim": {"lr": 0.01, "batch_size": 12},
        "train": {"epochs": 12, "precision": "fp32", "threads": 1, "device": "cpu"},
    },
    "cells": {
        "vanilla": {"label": "vanilla", "config": {"method": {"name": "vanilla"}}},
        "kd": {"label": "KD", "teacher": "vanilla", "config": {"method": {"name": "kd"}}},
        "at": {"label": "AT", "teacher": "vanilla", "config": {"method": {"name": "at"}}},
        "srdl": {"label": "SRDL", "config": {"method": {"name": "srdl"}}},
        "kept": {"label": "SRDL, no restart", "config": {"method": {"name": "srdl"}}},
        "dml": {"label": "DML", "config": {"method": {"name": "dml"}}},
    },
}
STUDY["cells"]["kept"]["config"]["method"]["restart"] = False  # type: ignore[index]
RUN = ("study", "run", "six.yaml", "--data-dir", "set", "--on", "slurm", "--time", "30")
CLOCK = {"created", "seconds", "images_per_second", "timing", "dir", "shared", "teacher"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    cluster.needed()
    write_class_folder(tmp_path / "set")
    (tmp_path / "six.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield tmp_path
    if (known := jobs(tmp_path)) is not None:
        subprocess.run(["scancel", *known.values()], check=False)


def jobs(place: Path) -> dict[str, str] | None:
    """Returns the job of each run."""
    try:
        listed = json.loads((place / "runs/studies/six/.slurm/jobs.json").read_text())
    except FileNotFoundError:
        return None
    return {name: one["job"] for name, one in listed["jobs"].items()}


@contextlib.contextmanager
def sending(place: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "reid_srdl", *RUN, *more]
    with (place / "told").open("w") as file:
        process = subprocess.Popen(command, cwd=place, stderr=file, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(place: Path) -> str:
    return (place / "told").read_text()


def until(true: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """Waits, on a busy machine for long, and returns what came true while a process works."""
    end = time.monotonic() + 240
    while not (found := true()):
        assert time.monotonic() < end
        assert process.poll() is None, process.args
        time.sleep(0.05)
    return found


def epochs(place: Path, name: str) -> int:
    metrics = place / "runs/studies/six" / name / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


def training_process(job: str) -> int:
    """Returns the process that trains in a job of an array."""
    array, _, task = job.partition("_")
    wanted = {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            around = set((process / "environ").read_bytes().split(b"\0"))
            if b"python" in words[0] and b"submitit.core._submit" in words and wanted <= around:
                return int(process.name)
    raise AssertionError(f"job {job} has no such process")


def time_is_up(job: str) -> None:
    subprocess.run(["scancel", "--signal=USR2", job], check=True)


def cancel(job: str) -> None:
    subprocess.run(["scancel", job], check=True)


def kill(job: str) -> None:
    os.kill(training_process(job), signal.SIGKILL)


def strike(place: Path, sent: dict[str, str], faults: dict[str, Callable[[str], Any]]) -> bool:
    """Lets faults befall the runs that are in the midst of it; says whether each had its own."""
    for name in [one for one in faults if epochs(place, f"{one}-seed0") >= 2]:
        faults.pop(name)(sent[f"{name}-seed0"])
    return not faults


def shown(streams: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    done = reid_srdl_here("study", "show", "six.yaml", "--format", "json", streams=streams)
    assert done.returncode == 0, done.stderr
    return {one["run"].removesuffix("-seed0"): one for one in json.loads(done.stdout)["on_slurm"]}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in CLOCK}
    return [plain(one) for one in value] if isinstance(value, list) else value


def trained_here(place: Path) -> Path:
    """Trains the study in this process, and returns its folder."""
    folder = place / "local"
    where = Where(folder, lambda _: place / "set", share=False)
    for run in asked_plan("six.yaml", 1.0, None, None).runs:
        teacher = None if run.teacher is None else folder / run.teacher
        train(placed(run, where, folder, teacher))
    return folder


def test_every_record_is_as_on_one_machine(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sending(place, "--sbatch", "hold") as first:  # it dies as soon as it has sent them
        sent = until(lambda: len(known := jobs(place) or {}) == 6 and known, first)
    assert first.returncode == -signal.SIGKILL
    # An array of those that wait for nothing, one of the two students, and one that waits for srdl.
    assert len({job.partition("_")[0] for job in sent.values()}) == 3
    assert {one["state"] for one in shown(capsys).values()} <= {"queued"}

    with sending(place) as second:
        until(lambda: "queued as" in told(place), second)
        subprocess.run(["scontrol", "release", *sent.values()], check=True)
        faults: dict[str, Callable[[str], Any]] = {
            "vanilla": time_is_up,
            "srdl": cancel,
            "dml": kill,
        }
        until(lambda: strike(place, sent, faults), second)
        assert second.wait(timeout=300) == 1
    assert jobs(place) == sent  # found again, not sent again; what was out of time kept its job
    said = told(place)
    assert "vanilla-seed0: finished" in said
    log = place / "runs/studies/six/.slurm" / f"{sent['dml-seed0']}_0_log.out"
    assert f"killed by signal 9 (out of memory?) (job {sent['dml-seed0']}, log: {log})" in said
    assert f"srdl-seed0: failed: it was cancelled (job {sent['srdl-seed0']}" in said
    assert "kept-seed0: failed: srdl-seed0, which it waits for, failed" in said
    log = place / "runs/studies/six/.slurm" / f"{sent['vanilla-seed0']}_0_log.out"
    assert "the job goes into it again" in log.read_text()
    assert "epochs read back" in log.read_text()
    states = shown(capsys)
    assert {name: one["state"] for name, one in states.items()} == {
        **dict.fromkeys(("vanilla", "kd", "at"), "finished"),
        **dict.fromkeys(("srdl", "kept", "dml"), "failed"),
    }
    assert states["srdl"]["log"].endswith(f"{sent['srdl-seed0']}_0_log.out")

    stopped = epochs(place, "srdl-seed0")
    assert 2 <= stopped < 12
    with sending(place) as third:
        assert third.wait(timeout=300) == 0, told(place)
    assert "6 runs, 3 finished before" in told(place)
    again = jobs(place) or {}
    assert again["kd-seed0"] == sent["kd-seed0"]
    assert not {again[name] for name in ("srdl-seed0", "dml-seed0")} & set(sent.values())

    local, queued = trained_here(place), place / "runs/studies/six"
    for name in sent:
        ours, theirs = (read_record(top / name).model_dump(mode="json") for top in (queued, local))
        assert plain(ours) == plain(theirs), name


def test_seeds_of_train_are_jobs_with_the_records_of_one_machine(place: Path) -> None:
    words = (
        *("train", "--dataset", "class-folder", "--data-dir", "set", "--model", "resnet20"),
        *("--batch-size", "12", "--epochs", "4", "--precision", "fp32", "--device", "cpu"),
        *("--set", "data.height=16", "--set", "data.width=16", "--set", "train.threads=1"),
        *("--method", "srdl", "--seeds", "0,1", "--name", "two"),
    )
    queued = (*words, "--runs", "queued", "--on", "slurm", "--time", "30")
    for more in (queued, (*words, "--runs", "local")):
        command = [sys.executable, "-m", "reid_srdl", *more]
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
    listed = json.loads((place / "queued/.slurm/jobs.json").read_text())["jobs"]
    assert list(listed) == ["two-seed0", "two-seed1"]
    for name in listed:
        ours, theirs = (
            read_record(place / runs / name).model_dump(mode="json") for runs in ("queued", "local")
        )
        assert plain(ours) == plain(theirs), name
