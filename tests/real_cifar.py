"""The real CIFAR-100, where REID_SRDL_DATA names a folder that has it, in one form or another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

FOLDER = "cifar-100-python"
PACKED, UNPACK = "cifar-100-python.webp.zip", "unpack_cifar100.py"


def find_cifar100(factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the official ``cifar-100-python``; skips the test where there is none.

    Where only the packed pixels and the script that restores them are there, it restores them, once
    for all processes of a test run (a few seconds).
    """
    named = os.environ.get("REID_SRDL_DATA") or os.environ.get("REAL_DATA")
    if not named:
        pytest.skip("REID_SRDL_DATA is not set")
    place = Path(named)
    if (place / FOLDER).is_dir() or (place / f"{FOLDER}.tar.gz").is_file():
        return place
    if not ((place / PACKED).is_file() and (place / UNPACK).is_file()):
        pytest.skip(f"no CIFAR-100 in {place}")
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # which all processes share
    restored = base / "cifar100"
    with FileLock(base / "cifar100.lock"):
        if not (restored / "done").exists():
            command = [sys.executable, str(place / UNPACK), str(restored)]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
            (restored / "done").write_text("")
    return restored
