"""Training by several processes: every method's network is that of one process, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record
from tests.small_set import write_small_set
from tests.training.torchrun_member import CASES

MEMBER = Path(__file__).with_name("torchrun_member.py")
MOST = 1e-11  # of a weight's difference, in float64
EPOCHS = 40
TRAIN = (
    *("train", "--dataset", "folder", "--data-dir", "set", "--model", "resnet8", "--name", "r"),
    *("--device", "cpu", "--precision", "fp32", "--method", "srdl", "--epochs", str(EPOCHS)),
    *("--batch-size", "12", "--set", "data.height=32", "--set", "data.width=16"),
    *("--set", "model.width=4", "--set", "optim.lr=0.001"),
)
GROUPS = ("--set", "model.norm=group")


def launched(processes: int, *words: object) -> list[str]:
    """Returns the command that starts so many processes; one is started without torchrun."""
    several = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    return [sys.executable, *(several if processes > 1 else []), *map(str, words)]


def started(
    processes: int, *words: object, cwd: Path, patience: float = 30
) -> subprocess.Popen[str]:
    settings = {"OMP_NUM_THREADS": "1", "REID_SRDL_CACHE": str(cwd / "cache")}
    settings["REID_SRDL_SHARD_TIMEOUT"] = str(patience)
    return subprocess.Popen(
        launched(processes, *words),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | settings,
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of what each method returns, trained by one, two and three processes at once."""
    folders = {size: tmp_path_factory.mktemp(f"by{size}") for size in (1, 2, 3)}
    running = [started(n, MEMBER, folders[n], "all", cwd=folders[n]) for n in folders]
    for one in running:
        _, err = one.communicate(timeout=600)
        assert one.returncode == 0, err
    return folders


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_one_process(weights: dict[int, Path], case: str) -> None:
    alone = torch.load(weights[1] / f"{case}.pt")
    for size in (2, 3):
        together = torch.load(weights[size] / f"{case}.pt")
        assert together.keys() == alone.keys()
        for name, value in alone.items():
            assert value.dtype == torch.float64
            assert torch.allclose(together[name], value, rtol=0, atol=MOST), (size, name)


FAILING = """
import os
from reid_srdl.cli import main
from reid_srdl.training.step import Step

step = Step.__call__

def fail(self, batch, lr):
    if type(self) is Step:  # where work is counted, steps are others
        raise MemoryError
    return step(self, batch, lr)

if os.environ["RANK"] == "1":
    Step.__call__ = fail
main()
"""


def test_a_process_without_memory_is_told_once_and_ends_all(tmp_path: Path) -> None:
    write_small_set(tmp_path / "set")
    (tmp_path / "failing.py").write_text(FAILING)
    run = started(2, "failing.py", *TRAIN, cwd=tmp_path)
    out, err = run.communicate(timeout=200)
    assert run.returncode != 0
    assert out == ""
    assert errors(err) == ["error: process 1 of 2: out of memory"]
    assert err.count("each process's 6 images, not of all 12") == 1  # it has batch norm
    assert not (tmp_path / "runs/r/record.json").exists()


def epochs_of(place: Path) -> int:
    metrics = place / "runs/r/metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


def when(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Waits for something that a process does."""
    until = time.monotonic() + 200
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def member(launcher: subprocess.Popen[str], rank: int) -> int:
    """Returns the process id of a rank that torchrun started."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    for pid in children:
        told = Path(f"/proc/{pid}/environ").read_text().split("\0")
        if f"RANK={rank}" in told:
            return int(pid)
    raise AssertionError(f"no process {rank} among {children}")


def lives(pid: int) -> bool:
    """Says whether a process works; one that has ended may wait for torchrun to look at it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize("rank", [0, 2])
def test_a_process_that_stands_still_is_named_and_ends_all(tmp_path: Path, rank: int) -> None:
    write_small_set(tmp_path / "set")
    run = started(3, "-m", "reid_srdl", *TRAIN, *GROUPS, cwd=tmp_path, patience=10)
    when(run, lambda: epochs_of(tmp_path) >= 2)
    members = {rank: member(run, rank) for rank in range(3)}
    os.kill(members[rank], signal.SIGSTOP)
    still, until = members.pop(rank), time.monotonic() + 60
    while any(lives(pid) for pid in members.values()):
        assert time.monotonic() < until
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):  # torchrun does so half a minute later
        os.kill(still, signal.SIGKILL)
    _, err = run.communicate(timeout=60)
    assert run.returncode != 0
    told = errors(err)
    named = f"cannot go on: process {rank} gave no sign of life for 10 seconds"
    assert told
    assert all(line.endswith(named) for line in told), told
    assert "what was done is kept" in err


def test_a_run_outlives_a_kill_and_a_preemption_and_goes_on_with_another_number(
    tmp_path: Path,
) -> None:
    write_small_set(tmp_path / "set")
    words = ("-m", "reid_srdl", *TRAIN, *GROUPS)

    whole = started(1, *words, "--runs", "alone", cwd=tmp_path)

    # While another launch of the run works, a second one is refused.
    with RunFolder(tmp_path / "runs/r").locked():
        out, err = started(2, *words, cwd=tmp_path).communicate(timeout=100)
        (told,) = errors(err)
        assert "another process is writing to this run" in told

    # Two processes, of which the first is killed, and another time the second.
    for rank in (0, 1):
        kept = epochs_of(tmp_path)
        run = started(2, *words, cwd=tmp_path)
        when(run, lambda kept=kept: epochs_of(tmp_path) >= kept + 2)
        time.sleep(random.uniform(0, 0.05))  # at any step
        os.kill(member(run, rank), signal.SIGKILL)
        out, err = run.communicate(timeout=60)
        assert run.returncode != 0
        assert out == ""
        (told,) = errors(err)
        lost = f"process {1 - rank} of 2 cannot go on: process {rank} ended without a word"
        assert lost in told
        assert "what was done is kept" in err

    # Three go on, until a queue takes the machine away.
    kept = epochs_of(tmp_path)
    run = started(3, *words, cwd=tmp_path)
    when(run, lambda: epochs_of(tmp_path) >= kept + 3)
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert out == ""
    assert errors(err) == []
    assert err.count("stopped; what was done is kept") == 1
    assert f"first: {kept} of {EPOCHS // 2} epochs read back" in err

    # One finishes what the others began.
    assert epochs_of(tmp_path) < EPOCHS
    run = started(1, *words, cwd=tmp_path)
    out, err = run.communicate(timeout=200)
    assert run.returncode == 0, err
    record = read_record(tmp_path / "runs/r")
    assert record.timing.processes == (1, 2, 3)
    assert record.norm_parts == (1,)
    _, err = whole.communicate(timeout=200)
    assert whole.returncode == 0, err
    # Rounding grows from step to step, and float16 knowledge rounds once more.
    for pattern, most in (("phases/first-*.safetensors", 1e-5), ("weights/srdl.safetensors", 1e-3)):
        ours, alone = (
            load_file(max((tmp_path / runs / "r").glob(pattern))) for runs in ("runs", "alone")
        )
        named = {k: w for k, w in alone.items() if w.is_floating_point() and "meter" not in k}
        assert max(float((ours[k] - w).abs().max()) for k, w in named.items()) < most
