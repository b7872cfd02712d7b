#!/usr/bin/env python
"""How long tables and the report of many runs take, and how much memory.

Copies one finished run many times, under other settings, seeds and scores, and lets the commands
read the copies, each in a process of its own. Copies share the run's files of ranks and epochs.

Examples:  tools/bench_report.py runs/srdl --copies 50   |
           tools/bench_report.py runs/srdl --copies 5000 --lists 0
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SEEDS = 5
METHODS = ("vanilla", "srdl")


def main() -> int:
    """Makes the runs, measures the commands; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="a finished run of re-identification")
    parser.add_argument("--copies", type=int, default=50)
    parser.add_argument("--lists", type=int, default=1, help="rank lists of each row, 20 at most")
    parser.add_argument(
        "--into", type=Path, help="keep the copies here; default: a folder that goes"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = asked.into or Path(place) / "runs"
        copies(asked.run, runs, asked.copies)
        page = Path(place) / "report.html"
        print(f"{'command':<28} {'wall s':>7} {'CPU s':>7} {'MiB':>6}")
        for told, words in (
            ("leaderboard", ["leaderboard", str(runs)]),
            ("runs list", ["runs", "list", str(runs)]),
            ("report, records alone", [*_report(runs, page), "--lists", "0"]),
            ("report with rank lists", [*_report(runs, page), "--lists", str(asked.lists)]),
        ):
            status, line = measured(words)
            print(f"{told:<28} {line}", flush=True)
            if status:
                return status
        print(f"the last page has {page.stat().st_size / 2**20:.1f} MiB")
    return 0


def _report(runs: Path, page: Path) -> list[str]:
    return ["report", str(runs), "-o", str(page), "--large"]


def copies(run: Path, runs: Path, count: int) -> None:
    """Writes copies of a run: a setting for every ten of them, two methods, five seeds."""
    tree = json.loads((run / "record.json").read_text(encoding="utf-8"))
    draw = random.Random(0)
    for number in range(count):
        folder = runs / f"{number:05d}"
        folder.mkdir(parents=True)
        record = json.dumps(_changed(tree, number, draw))
        (folder / "record.json").write_text(record, encoding="utf-8")
        for name in ("config.yaml", "metrics.jsonl", "data.json"):
            if (run / name).exists():
                shutil.copy(run / name, folder / name)
        if (run / "ranks").is_dir():
            (folder / "ranks").symlink_to((run / "ranks").resolve())


def _changed(tree: dict[str, Any], number: int, draw: random.Random) -> dict[str, Any]:
    """Returns a record of another setting, method, seed and score."""
    place, seed = divmod(number, SEEDS)
    setting, method = divmod(place, len(METHODS))
    config = json.loads(json.dumps(tree["config"]))
    config["optim"]["lr"] = 0.01 * (1 + setting)
    config["train"]["seed"] = seed
    config["method"] = {"name": METHODS[method]}
    evaluations = []
    for one in tree["evaluations"]:
        result = json.loads(json.dumps(one["result"]))
        for scores in (result["single_query"], result["multi_query"]):
            for key in ("mAP", "rank1") if scores else ():
                scores[key] = min(1.0, max(0.0, scores[key] + draw.gauss(0, 0.01)))
        evaluations.append({**one, "result": result})
    return {
        **tree,
        "name": f"{number:05d}",
        "seed": seed,
        "experiment": hashlib.sha256(f"{setting} {method}".encode()).hexdigest()[:16],
        "config": config,
        "method": {**tree["method"], "name": METHODS[method], "label": METHODS[method]},
        "evaluations": evaluations,
    }


def measured(words: list[str]) -> tuple[int, str]:
    """Runs a command; returns its exit status, and its seconds and memory as a line."""
    began = time.monotonic()
    command = [sys.executable, "-m", "reid_srdl", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
    return os.waitstatus_to_exitcode(status), f"{wall:7.1f} {cpu:7.1f} {used.ru_maxrss / 1024:6.0f}"


if __name__ == "__main__":
    sys.exit(main())
