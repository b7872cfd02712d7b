"""Runs the command line in a process of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reid_srdl.cli import app
from reid_srdl.shell.outcome import run
from tests.cli.forks import forked


def reid_srdl(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Returns the finished process, its output captured; caches stay below ``cwd``.

    It is a fork, or a new process where ``environment`` holds what Python reads as it starts.
    """
    settings = {"REID_SRDL_CACHE": str(cwd / "cache"), "COLUMNS": "200", **(environment or {})}
    words = [str(word) for word in arguments]
    if not any(name.startswith(("PYTHON", "OMP_")) for name in environment or {}):
        return forked(words, cwd, os.environ | settings)
    command = [sys.executable, "-m", "reid_srdl", *words]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | settings
    )


def reid_srdl_here(
    *arguments: str | Path, streams: pytest.CaptureFixture[str]
) -> subprocess.CompletedProcess[str]:
    """Returns what the command line does within this process: many bad inputs take no time."""
    streams.readouterr()
    status = run(app, [str(word) for word in arguments])
    told = streams.readouterr()
    return subprocess.CompletedProcess(arguments, status, told.out, told.err)


def assert_told(done: subprocess.CompletedProcess[str], *words: str, status: int = 1) -> None:
    """Asserts two lines, what is wrong and what to do, with these words, and no traceback."""
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len([line for line in lines if line.startswith("error: ")]) == 1, done.stderr
    assert lines[-1].startswith("hint:  "), done.stderr
    assert lines[-2].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
