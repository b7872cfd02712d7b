"""``reid-srdl eval RUN`` under torchrun: one process extracts, all count, one records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.cli.run import reid_srdl
from tests.small_set import write_small_set

TRAIN = (
    *("--dataset", "folder", "--data-dir", "set", "--model", "resnet18", "--precision", "fp32"),
    *("--batch-size", "12", "--set", "data.height=32", "--set", "data.width=16"),
    *("--set", "train.threads=1", "--method", "vanilla", "--epochs", "1", "--no-eval"),
)


def test_a_runs_features_are_shared(tmp_path: Path) -> None:
    write_small_set(tmp_path / "set")
    done = reid_srdl("train", *TRAIN, "--name", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    alone = reid_srdl("eval", "runs/r", "--device", "cpu", "--json", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    (record,) = (tmp_path / "runs/r/evaluations").iterdir()
    before = json.loads(record.read_text())
    record.unlink()
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "reid_srdl"]
    shared = subprocess.run(
        [sys.executable, *launch, "eval", "runs/r", "--device", "cpu", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=os.environ | {"OMP_NUM_THREADS": "1", "REID_SRDL_CACHE": str(tmp_path / "cache")},
    )
    assert shared.returncode == 0, shared.stderr
    assert shared.stdout == alone.stdout
    after = json.loads(record.read_text())
    assert {**after, "created": None} == {**before, "created": None}
