"""Several processes judge together: each has a part of the passes, the scores are one's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from reid_srdl.records.store import read_record
from tests.class_set import write_class_folder
from tests.small_set import write_small_set


def started(processes: int, place: Path, *words: object) -> str:
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), "-m", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "REID_SRDL_CACHE": str(place / "cache")},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def by(processes: int, place: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        started(processes, place, "tests.tasks.judging_member", place)
    )
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


def test_a_run_of_two_processes_is_judged_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    write_small_set(tmp_path / "people", train=8)
    words = ("--dataset", "folder", "--data-dir", tmp_path / "people", "--model", "resnet8")
    words += (
        "--method",
        "vanilla",
        "--device",
        "cpu",
        "--precision",
        "fp32",
        "--epochs",
        "2",
        "--batch-size",
        "12",
    )
    keys = ("data.validation=0.25", "eval.every=1", "data.height=32", "data.width=16")
    keys += ("model.width=4", "model.norm=group", "eval.batch_size=5")
    places = ("--runs", tmp_path / "runs", "--name", "r", "--json")
    sets = [word for key in keys for word in ("--set", key)]
    told = json.loads(started(2, tmp_path, "reid_srdl", "train", *words, *sets, *places))
    record = read_record(tmp_path / "runs/r")
    assert told["name"] == "r"
    assert record.timing.processes == (2,)
    assert set(record.results) == {"vanilla", "vanilla.best"}
    rows = (tmp_path / "runs/r/metrics.jsonl").read_text().splitlines()
    scores = [json.loads(row)["networks"]["vanilla"]["validation"] for row in rows]
    assert len(scores) == 2
    best = record.phases[0].networks["vanilla"].best
    assert best is not None
    assert best.score == max(scores) > 0
