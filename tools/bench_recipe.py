#!/usr/bin/env python
"""Times training under Bag of Tricks against torchreid's own triplet engine, in one process.

Both read the same folder in Market-1501's naming and train the same network on P x K batches with
cross-entropy, label smoothing, triplet loss, random erasing, padding and crop, flip and Adam.
torchreid's side is its ImageDataManager, RandomIdentitySampler and ImageTripletEngine, in float32,
with as many workers as `--workers`. Ours is `reid-srdl train` itself: runs of one epoch, each begun
anew, timed by their own metrics. BNNeck and centre loss, which torchreid lacks, are left out of the
row that is compared; the whole recipe stands in a row of its own. The contenders take turns; the
ratio is the median over turns. torchreid decodes each image anew, as it does for its users.

The rows above the compared one add one ingredient each, so that they say what it costs a step.

Examples:  python tools/bench_recipe.py   |
           python tools/bench_recipe.py --data-dir Market-1501-v15.09.15 --turns 5 --json out.json
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reid_srdl.config import merge
from reid_srdl.data.walkers.make import make_walkers
from reid_srdl.data.walkers.plan import Options
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.machine import processor_name, versions
from reid_srdl.training.monitor import EpochRow

P, K, LR, WEIGHT_DECAY, MARGIN = 16, 4, 3.5e-4, 5e-4, 0.3
TORCHREID, SAME = "torchreid, its triplet engine, fp32", "the same options"

CROSS_ENTROPY: dict[str, Any] = {
    "data": {"pad": 10, "pad_with": "zero"},
    "model": {"last_stride": 1},
    "optim": {"name": "adam", "lr": LR, "weight_decay": WEIGHT_DECAY, "batch_size": P * K},
}
P_X_K = merge(CROSS_ENTROPY, {"sampler": {"identities": P, "images": K}})
TRIPLET = merge(P_X_K, {"loss": {"triplet": {"weight": 1.0, "margin": MARGIN}}})
ERASING = merge(TRIPLET, {"data": {"erasing": {"probability": 0.5}}})
OURS = {
    "cross-entropy, shuffled": CROSS_ENTROPY,
    "+ P x K": P_X_K,
    "+ triplet": TRIPLET,
    "+ random erasing": ERASING,
    SAME: merge(ERASING, {"loss": {"smoothing": 0.1}}),
    "Bag of Tricks whole (+ BNNeck, centre)": {"recipe": {"name": "bag-of-tricks"}},
}

Turn = Callable[[], tuple[int, float]]  # steps and their seconds


def folder_of(arguments: argparse.Namespace, into: Path) -> Path:
    """Returns a folder in Market-1501's layout: the first identities of a real one, or walkers."""
    whole = into / "market1501"
    if arguments.data_dir is None:
        made, _ = make_walkers(into, options=Options(arguments.identities, test_identities=8))
        return made.rename(whole)
    source = arguments.data_dir / "bounding_box_train"
    persons = sorted({file.name[:4] for file in source.glob("*.jpg")})[: arguments.identities]
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        (whole / part).mkdir(parents=True)
    for file in source.glob("*.jpg"):
        if file.name[:4] in persons:
            shutil.copy(file, whole / "bounding_box_train")
    for part in ("query", "bounding_box_test"):  # neither side judges: a few to be complete
        for file in sorted((arguments.data_dir / part).glob("[0-9]*.jpg"))[:32]:
            shutil.copy(file, whole / part)
    return whole


def torchreid_turn(arguments: argparse.Namespace, data: Path) -> Turn:
    """Returns steps of torchreid's engine, as its users write them."""
    import torchreid.reid as torchreid
    from torchreid.reid.models.resnet import BasicBlock, ResNet

    height, width = arguments.size
    with contextlib.redirect_stdout(io.StringIO()):
        manager = torchreid.data.ImageDataManager(
            root=str(data.parent),
            sources="market1501",
            height=height,
            width=width,
            transforms=["random_flip", "random_crop", "random_erase"],
            use_gpu=False,
            batch_size_train=P * K,
            workers=arguments.workers,
            num_instances=K,
            train_sampler="RandomIdentitySampler",
        )
        model = ResNet(manager.num_train_pids, "triplet", BasicBlock, [2, 2, 2, 2], last_stride=1)
        optimizer = torchreid.optim.build_optimizer(
            model, optim="adam", lr=LR, weight_decay=WEIGHT_DECAY
        )
        engine = torchreid.engine.ImageTripletEngine(
            manager, model, optimizer, margin=MARGIN, use_gpu=False, label_smooth=True
        )
    engine.set_model_mode("train")
    endless = itertools.chain.from_iterable(itertools.repeat(manager.train_loader))

    def turn() -> tuple[int, float]:
        began = time.perf_counter()
        for batch in itertools.islice(endless, arguments.steps):
            engine.forward_backward(batch)
        return arguments.steps, time.perf_counter() - began

    return turn


def own_turn(arguments: argparse.Namespace, data: Path, runs: Path, recipe: dict[str, Any]) -> Turn:
    """Returns runs of one epoch under a recipe, each from another seed."""
    height, width = arguments.size
    fixed = {
        "data": {"name": "market1501", "dir": str(data), "height": height, "width": width},
        "model": {"name": "resnet18"},
        "method": {"name": "vanilla"},
        "train": {
            "epochs": 1,
            "device": "cpu",
            "precision": arguments.precision,
            "threads": torch.get_num_threads(),
        },
        "eval": {"enabled": False},
    }
    seeds = itertools.count()

    def turn() -> tuple[int, float]:
        seed = next(seeds)
        with tempfile.TemporaryDirectory(dir=runs) as place:
            own = {"run": {"dir": place, "name": "bench"}, "train": {"seed": seed}}
            train(experiment(merge(merge(recipe, fixed), own)))
            line = (Path(place) / "bench" / "metrics.jsonl").read_text().splitlines()[0]
        row = EpochRow.model_validate_json(line)
        return row.images // (P * K), row.seconds

    return turn


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Lets the contenders take turns and returns what each took."""
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        data, runs = folder_of(arguments, Path(scratch)), Path(scratch) / "runs"
        runs.mkdir()
        contenders = {TORCHREID: torchreid_turn(arguments, data)}
        contenders |= {name: own_turn(arguments, data, runs, keys) for name, keys in OURS.items()}
        taken: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(arguments.turns + 1):
            for name, turn in contenders.items():
                steps, seconds = turn()
                if number:  # the first one fills caches and starts workers
                    taken[name].append(seconds / steps)
                print(f"{name}: {1000 * seconds / steps:.1f} ms a step", file=sys.stderr)
    return {
        "size": arguments.size,
        "batch_size": P * K,
        "data": "Market-1501" if arguments.data_dir else "walkers",
        "identities": arguments.identities,
        "processor": processor_name(),
        "threads": arguments.threads,
        "workers": arguments.workers,
        "precision": arguments.precision,
        "versions": versions(),
        "rows": [_row(name, taken) for name in taken],
    }


def _row(name: str, taken: dict[str, list[float]]) -> dict[str, Any]:
    own = taken[name]
    ratios = [theirs / mine for theirs, mine in zip(taken[TORCHREID], own, strict=True)]
    return {
        "name": name,
        "step_seconds": statistics.median(own),
        "images_per_second": P * K / statistics.median(own),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "turns": own,
    }


def print_table(report: dict[str, Any]) -> None:
    """Prints what was measured."""
    from rich.console import Console
    from rich.table import Table

    title = (
        "ResNet-18, {size[0]} x {size[1]}, batches of {batch_size}, {identities} identities of "
        "{data}, {threads} threads, {workers} workers of torchreid's, {precision}"
    )
    table = Table("", title=title.format(**report))
    for column in ("ms a step", "images/s", "x torchreid", "least", "most"):
        table.add_column(column, justify="right")
    for row in report["rows"]:
        table.add_row(
            row["name"],
            f"{1000 * row['step_seconds']:.1f}",
            f"{row['images_per_second']:.0f}",
            f"{row['ratio']:.2f}",
            f"{min(row['ratios']):.2f}",
            f"{max(row['ratios']):.2f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main() -> int:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--data-dir", type=Path, help="a real set in Market-1501's layout; default: walkers")
    add("--identities", type=int, default=150, help="the first so many of it (150)")
    add("--size", type=int, nargs=2, default=(128, 64), help="in pixels (128 64)")
    add("--steps", type=int, default=24, help="steps of a turn of torchreid's (24)")
    add("--turns", type=int, default=3, help="turns of each (3)")
    add("--workers", type=int, default=2, help="of torchreid's loader (2)")
    add("--threads", type=int, default=torch.get_num_threads(), help="CPU threads (all cores)")
    add("--precision", default="auto", help="of ours: auto, bf16 or fp32 (auto)")
    add("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    try:
        report = measure(arguments)
    except UserError as error:
        print(f"error: {error.what}\nhint:  {error.hint}", file=sys.stderr)
        return error.exit_status
    print_table(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
