"""A SLURM for tests: the one that answers here, such as ``tests/slurm/one_node`` starts it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def needed() -> None:
    """Skips a test that needs a SLURM; where all is checked, that is a failure."""
    if shutil.which("sinfo") is not None:
        done = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, check=False)
        if done.stdout.strip():
            return
    told = "no SLURM answers: as root, apt-get install slurm-wlm munge; tests/slurm/one_node DIR"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


def command(folder: Path, name: str, text: str) -> None:
    """Writes a command that says what a SLURM would say."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
