#!/usr/bin/env python
"""Times training steps of several processes of one thread against one process of as many threads.

Both train the same network on the same generated images, by `reid-srdl profile`: its unmarked steps
count. They take turns, so that both see the same machine; the ratio is the median over turns.

Example:  python tools/bench_processes.py --model resnet32 --size 32 32 --batch-size 128
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from reid_srdl.machine import processor_name, versions

CLASSES, EACH = 10, 64
TOGETHER, ALONE = "processes of one thread", "one process of as many threads"


def main() -> int:
    """Measures, prints a table, and writes JSON where asked to."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as place:
        config = write(Path(place), arguments)
        taken: dict[str, list[dict[str, Any]]] = {TOGETHER: [], ALONE: []}
        for _ in range(arguments.turns):
            for name in taken:
                taken[name].append(profiled(name, config, arguments))
    report = {
        "model": arguments.model,
        "size": arguments.size,
        "batch_size": arguments.batch_size,
        "processes": arguments.processes,
        "processor": processor_name(),
        "versions": versions(),
        **figures(taken),
    }
    for name, row in report["rows"].items():
        ms = [1e3 * one for one in row["seconds"]]
        spread = f"{min(ms):.1f} to {max(ms):.1f}"
        print(f"{name:32} {statistics.median(ms):8.1f} ms a step ({spread})")
    print(f"ratio, one process over several: {report['ratio']:.2f}, of turns", report["ratios"])
    print(f"joining takes {100 * report['joining']:.1f} % of a step of several processes")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def write(place: Path, arguments: argparse.Namespace) -> Path:
    """Writes class folders of generated images, and the configuration; returns its file."""
    rng, (height, width) = np.random.default_rng(0), arguments.size
    for split, count in (("train", EACH), ("val", 1)):
        for label in range(CLASSES):
            folder = place / "set" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    tree = {
        "data": {
            "name": "class-folder",
            "dir": str(place / "set"),
            "height": height,
            "width": width,
        },
        "model": {"name": arguments.model},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": arguments.batch_size},
        "train": {"device": "cpu", "precision": "fp32", "epochs": 1},
    }
    path = place / "bench.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def profiled(name: str, config: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns what `reid-srdl profile` measures in one turn."""
    words = ["-m", "reid_srdl", "profile", str(config), "--json", "--steps", str(arguments.steps)]
    threads, command = str(arguments.processes), [sys.executable, *words]
    if name == TOGETHER:
        threads = "1"
        run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        command = [sys.executable, *run, str(arguments.processes), *words]
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def figures(taken: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Returns the seconds of each turn, and the ratio within each."""
    pairs = list(zip(taken[ALONE], taken[TOGETHER], strict=True))
    ratios = [alone["seconds"] / together["seconds"] for alone, together in pairs]
    joining = [one["parts"]["joining"] / sum(one["parts"].values()) for one in taken[TOGETHER]]
    rows = {name: {"seconds": [one["seconds"] for one in turns]} for name, turns in taken.items()}
    return {
        "rows": rows,
        "ratio": statistics.median(ratios),
        "ratios": [round(one, 3) for one in ratios],
        "joining": statistics.median(joining),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", default="resnet32")
    parser.add_argument("--size", type=int, nargs=2, default=(32, 32), metavar=("H", "W"))
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
