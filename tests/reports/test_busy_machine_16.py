"""Threads on a busy machine: timed once for a new run, kept by one that goes on, never identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.config import fingerprint
from reid_srdl.jobs import planning, threads
from reid_srdl.jobs.train import resume
from reid_srdl.machine import named_threads
from reid_srdl.methods import OPTIONS
from reid_srdl.records.folder import RunFolder
from reid_srdl.training.pace import Pace
from tests.reports.runs import Listener, config, people, run

SECONDS = {1: 1.0, 2: 4.0, 4: 9.0}


@pytest.fixture
def data(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return people(tmp_path / "set")


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of threads that were timed, on a machine of 4 cores that others fill."""
    asked: list[int] = []

    def seconds(do: Callable[[], object], device: torch.device, least: float = 0.0) -> float:
        do()
        asked.append(torch.get_num_threads())
        return SECONDS[asked[-1]]

    monkeypatch.setattr(threads, "timed", seconds)
    monkeypatch.setattr("reid_srdl.training.precision.available_cores", lambda: 4)
    return asked


@pytest.mark.parametrize("given", ["auto", None])
def test_busy_16_a_new_run_takes_what_is_fastest_and_records_it(
    data: Path, tmp_path: Path, timed: list[int], given: str | None
) -> None:
    said = Listener()
    record = run(data, tmp_path / "runs", train={"threads": given}, listener=said)
    assert timed == [4, 2, 1]
    assert record.device.threads == 1
    assert record.config["train"]["threads"] == 1  # type: ignore[index,call-overload]
    assert RunFolder(tmp_path / "runs/r").read_config(OPTIONS).train.threads == 1
    assert any("train.threads: 1 of 4 are fastest" in note for note in said.notes)


def test_busy_16_a_quiet_machine_keeps_all_its_cores(
    data: Path, tmp_path: Path, timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECONDS, 4, 1.2)
    assert run(data, tmp_path / "runs", train={"threads": None}).device.threads == 4


def test_busy_16_threads_that_are_named_or_kept_are_never_timed(
    data: Path, tmp_path: Path, timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(data, tmp_path / "runs", "named", train={"threads": 2}).device.threads == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert run(data, tmp_path / "runs", "omp", train={"threads": None}).device.threads == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert timed == []

    run(data, tmp_path / "runs", "whole", train={"threads": 2})
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "runs", train={"threads": 2}, listener=Listener(stop=True))
    assert run(data, tmp_path / "runs", train={"threads": None}).device.threads == 2
    assert timed == []
    ends = [tmp_path / f"runs/{name}/weights/vanilla.safetensors" for name in ("r", "whole")]
    one, other = map(load_file, ends)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_busy_16_a_resumed_run_keeps_its_threads(
    data: Path, tmp_path: Path, timed: list[int]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "runs", train={"threads": "auto"}, listener=Listener(stop=True))
    assert timed == [4, 2, 1]
    assert resume(tmp_path / "runs/r").device.threads == 1
    assert timed == [4, 2, 1]


def test_busy_16_timing_leaves_no_trace_in_the_weights(
    data: Path, tmp_path: Path, timed: list[int]
) -> None:
    changes = {"model": {"name": "dropping"}}
    run(data, tmp_path / "runs", "one", train={"threads": 1}, **changes)
    run(data, tmp_path / "runs", "auto", train={"threads": "auto"}, **changes)
    ends = [tmp_path / f"runs/{name}/weights/vanilla.safetensors" for name in ("one", "auto")]
    one, other = map(load_file, ends)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_busy_16_threads_are_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    runs = [config(tmp_path, tmp_path, train={"threads": n}) for n in (1, 7, "auto", None)]
    assert len({fingerprint(one) for one in runs}) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), ("4,2", 4), (" 2 ", 2), ("0", None), ("-1", None), ("x", None), ("", None)],
)
def test_busy_16_threads_by_environment(
    text: str, number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert named_threads() == number


def test_busy_16_steps_are_timed_for_as_long_as_asked() -> None:
    done: list[int] = []
    assert planning.timed(lambda: done.append(1), torch.device("cpu"), 0.01) < 0.01
    assert len(done) > 4


def test_busy_16_a_minute_far_below_the_first_is_told_once() -> None:
    pace, now, told = Pace(), 0.0, list[str]()
    for rate in (100, 60, 26, 24, 5, 100):
        for _ in range(61):
            now += 1.0
            if line := pace.slowed(rate, now):
                told.append(line)
    assert len(told) == 1
    assert "--resume" in told[0]
    assert told[0].startswith(("24", "25"))
