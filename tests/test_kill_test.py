"""tools/kill_test: two kills of each program end bit-identical, and what differs is seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "kill_test"
PROGRAMS = ("srdl-people", "srdl-classes", "kd-people", "kd-classes")


def test_two_kills_of_each_program_end_bit_identical(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *trials, last = done.stdout.splitlines()
    assert last == "8 of 8 kills ended bit-identical"
    assert [trial.partition(":")[0] for trial in trials] == [
        f"{program} {number}" for program in PROGRAMS for number in (1, 2)
    ]
    assert all(trial.endswith(": same") for trial in trials)


def test_an_end_that_differs_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "kill_test"
    right = 'found = end(place / "runs/r")'
    assert right in TOOL.read_text()
    broken.write_text(TOOL.read_text().replace(right, f'{right} | {{"files": 0}}'))
    done = subprocess.run(
        [sys.executable, str(broken), "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "differs: ['files']" in done.stdout
