"""Several processes, started by torchrun or by hand: the same bytes, clear errors, no hang."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.feature_files.reading import save_features
from tests.retrieval.test_streaming import small_set

MEMBER = Path(__file__).with_name("shard_member.py")
ENVIRONMENT = {"REID_SRDL_SHARD_TIMEOUT": "3", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of features, ``f``, and the same as a file, ``f.npz``."""
    place = tmp_path_factory.mktemp("shards")
    for name in ("f", "f.npz"):
        save_features(place / name, small_set(1))
    return place


def torchrun(processes: int, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [sys.executable, *launch, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | ENVIRONMENT,
    )


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error: ")]


def test_any_number_of_processes_prints_the_same_bytes(place: Path) -> None:
    words = ("-m", "reid_srdl", "eval", "--json", "--features")
    one = subprocess.run(
        [sys.executable, *words, "f.npz"], cwd=place, capture_output=True, text=True, check=True
    )
    for processes, file in ((2, "f"), (3, "f.npz")):
        listed = ("--per-query", "queries.csv") if processes == 3 else ()
        done = torchrun(processes, *words, file, *listed, cwd=place)
        assert done.returncode == 0, done.stderr
        assert done.stdout == one.stdout != ""
        assert f"{processes} processes share the gallery" in done.stderr
    assert (place / "queries.csv").exists()
    assert done.stderr.count("written: queries.csv") == 1


def test_a_users_error_ends_all_and_is_told_once(place: Path) -> None:
    save_features(place / "bad", small_set(1))
    file = place / "bad" / "gallery_features.npy"
    rows = np.load(file)
    rows[-1, 0] = np.nan  # in the second process's share
    np.save(file, rows)
    done = torchrun(2, "-m", "reid_srdl", "eval", "--features", "bad", cwd=place)
    assert done.returncode != 0
    assert done.stdout == ""
    (told,) = errors(done.stderr)
    assert f"gallery_features holds NaN or infinity in 1 of 170 rows, first in row {169}" in told


def test_a_process_killed_under_torchrun_is_told_by_the_others(place: Path, tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "3", str(MEMBER)]
    words = ["1", str(tmp_path), "eval", "--features", "f"]
    process = _started([*launch, *words], place, {})
    _kill_the_idle_one(tmp_path, process)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert out == ""
    told = sorted(errors(err))
    assert [line.split(" of 3 ")[0] for line in told] == ["error: process 0", "error: process 2"]
    for line in told:
        assert "was told to end" in line or "gave no sign of life" in line


@pytest.mark.parametrize("idle", [1, 0])
def test_a_lost_process_is_noticed_without_torchrun(place: Path, tmp_path: Path, idle: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    members = [
        _started(
            [str(MEMBER), str(idle), str(tmp_path), "eval", "--features", "f"],
            place,
            meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    _kill_the_idle_one(tmp_path, members[idle])
    start = time.monotonic()
    for rank, member in enumerate(members):
        out, err = member.communicate(timeout=60)
        assert out == ""
        if rank != idle:
            assert member.returncode == 1
            (told,) = errors(err)
            # Process 0 holds the store through which signs of life go.
            why = "process 1 gave no sign of life for 3 seconds" if idle else "the store is gone"
            assert f"process {rank} of 2 cannot go on: {why}" in told
    assert time.monotonic() - start < 30


def _started(words: list[str], place: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT | environment,
    )


def _kill_the_idle_one(place: Path, started: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 90
    while not (place / "idle").exists():
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(int((place / "idle").read_text()), signal.SIGKILL)
