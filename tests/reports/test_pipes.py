"""Fault 15: a pipe in place of a file is named; nothing waits for its other end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = {
    "record.json": ["leaderboard", "runs"],
    "checksums.json": ["runs", "check", "runs/r"],
    "config.yaml": ["eval", "runs/r"],
    "q.csv": ["compare", "runs/r/q.csv", "runs/r/q.csv"],
    "f.npz": ["eval", "--features", "runs/r/f.npz"],
    "own.py": ["train", "--method", "runs/r/own.py:mine"],
    "w.safetensors": ["train", "--set", "model.weights=runs/r/w.safetensors"],
    "people.csv": ["data", "check", "people", "--data-dir", "runs/r/people.csv"],
}


@pytest.mark.parametrize("name", CALLS)
def test_fault_15_a_pipe_is_no_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "runs/r"
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    words = [sys.executable, "-m", "reid_srdl", *CALLS[name]]
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode in (1, 2)
    assert "error: " in done.stderr
    assert "internal error" not in done.stderr
    assert name in done.stdout + done.stderr
