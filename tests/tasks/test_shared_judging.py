"""Several processes judge together: each has a part of the passes, the scores are one's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.class_set import write_class_folder
from tests.small_set import write_small_set


def by(processes: int, place: Path) -> dict[str, Any]:
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    words = [*(launcher if processes > 1 else []), "-m", "tests.tasks.judging_member", str(place)]
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "REID_SRDL_CACHE": str(place / "cache")},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_scores_are_those_of_one_process_and_passes_are_shared(tmp_path: Path) -> None:
    write_small_set(tmp_path / "people", train=8)
    write_class_folder(tmp_path / "classes")
    alone, shared = by(1, tmp_path), by(3, tmp_path)
    assert shared["scores"] == alone["scores"]
    assert set(alone["scores"]) == {
        *("people", "people, an epoch"),
        *("classes", "classes, an epoch"),
    }
    assert sum(shared["passed"]) == alone["passed"][0]
    assert max(shared["passed"]) < 0.5 * alone["passed"][0]
