#!/usr/bin/env python
"""Times this project's training step against the plain recipe's, side by side in one process.

The plain recipe: torchvision's CIFAR100 object, PIL transforms (RandomCrop with reflection padding,
RandomHorizontalFlip, ToTensor, Normalize), a DataLoader with workers, float32 NCHW, eager SGD.
Ours: the training set and the loop that `reid-srdl train` runs. Both train the same network on the
same images. They take turns of some dozens of steps, so that both see the same machine; the ratio
is the median over turns. The DataLoader's workers fill their queue during our turns, too: that
favours the plain recipe by up to two batches a worker and turn. `batch ms` is what one batch takes
to prepare in the process itself, without workers. `x, CPU time` compares the CPU time of this
process (the workers' is left out, which favours the plain recipe): on a machine that is busy with
other things it is the steadier figure.

`--pipeline` times instead what each augmentation costs: batches of crops of `--size`, ready for a
network, with nothing but crop and flip, then with each augmentation on, then with all of them.

Examples:  python tools/bench_train.py --compile   |
           python tools/bench_train.py --data-dir DIR --turns 5 --json out.json |
           python tools/bench_train.py --pipeline --size 256 128 --batch-size 64
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torchvision import transforms

from reid_srdl.data.augmentation import PLAIN, Augmentation, Erasing, Jitter
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.normalisation import CIFAR100
from reid_srdl.errors import UserError
from reid_srdl.machine import processor_name, versions
from reid_srdl.models.build import build
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.losses import CrossEntropy
from reid_srdl.training.meter import Meter
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.parts import optimizers_of, parts_of
from reid_srdl.training.phases import Fit
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.schedule import Span, StepDecay
from reid_srdl.training.step import Step
from reid_srdl.training.values import Model

CLASSES, PAD, LR, MOMENTUM, WEIGHT_DECAY = 100, 4, 0.1, 0.9, 2e-4
_WAITED, _SECONDS, _CPU, _PREPARED = "waited", "seconds", "cpu", "prepared"
_FEW = 5


# The pixels ------------------------------------------------------------------------------------


def data_set(data_dir: Path | None, images: int) -> torchvision.datasets.CIFAR100:
    """Returns torchvision's data set: the real one, or one that holds generated images."""
    if data_dir is not None:
        return torchvision.datasets.CIFAR100(data_dir, train=True)
    made = torchvision.datasets.CIFAR100.__new__(torchvision.datasets.CIFAR100)
    made.data, made.targets = generated(images)
    made.transform = made.target_transform = None
    return made


def generated(images: int, seed: int = 0) -> tuple[NDArray[np.uint8], list[int]]:
    """Returns N x 32 x 32 x 3 smooth coloured images that tell their class, and N labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, images)
    means = rng.uniform(60, 190, (CLASSES, 8, 8, 3))
    coarse = means[labels] + rng.normal(0, 40, (images, 8, 8, 3))
    fine = coarse.repeat(4, axis=1).repeat(4, axis=2) + rng.normal(0, 12, (images, 32, 32, 3))
    return fine.clip(0, 255).astype(np.uint8), labels.tolist()


# The contenders: each is called with a number of steps, and tells what they took -----------------

Turn = Callable[[int], dict[str, float]]


class Clock:
    """Counts the seconds from its making until the device has done all that it was given."""

    def __init__(self, compute: Compute) -> None:
        self.device = compute.device
        self.began = time.perf_counter(), time.process_time()

    def stopped(self) -> dict[str, float]:
        """Returns the seconds on the wall and of this process's CPU time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter(), time.process_time()
        return {_SECONDS: now[0] - self.began[0], _CPU: now[1] - self.began[1]}


class Waiting:
    """Iterates over batches and counts the seconds until each was there."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self.batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Waiting:
        return self

    def __next__(self) -> Any:
        began = time.perf_counter()
        batch = next(self.batches)
        self.seconds += time.perf_counter() - began
        return batch


def plain(arguments: argparse.Namespace, pixels: Any, compute: Compute) -> Turn:
    """The recipe as it stands in most training scripts."""
    pixels.transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=PAD, padding_mode="reflect"),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(CIFAR100.mean, CIFAR100.std),
        ]
    )

    def loader(workers: int) -> DataLoader[Any]:
        return DataLoader(
            pixels,
            batch_size=arguments.batch_size,
            shuffle=True,
            num_workers=workers,
            drop_last=True,
            pin_memory=compute.device.type == "cuda",
            persistent_workers=workers > 0,
        )

    def endless(workers: int) -> Iterator[Any]:
        return itertools.chain.from_iterable(itertools.repeat(loader(workers)))

    served, alone = endless(arguments.workers), endless(0)
    network = _network(arguments).to(compute.device).train()
    optimizer = torch.optim.SGD(
        network.parameters(), LR, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )

    def turn(steps: int) -> dict[str, float]:
        batches, clock = Waiting(served), Clock(compute)
        for images, labels in itertools.islice(batches, steps):
            images = images.to(compute.device, non_blocking=True)
            labels = labels.to(compute.device, non_blocking=True)
            loss = F.cross_entropy(network(images).logits, labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return clock.stopped() | {_WAITED: batches.seconds, _PREPARED: _prepared(alone)}

    return turn


def ours(arguments: argparse.Namespace, pixels: Any, compute: Compute) -> Turn:
    """What `reid-srdl train` does in each step."""
    images = Images(pixels.data, (32, 32), compute.device, CIFAR100)
    labels = np.asarray(pixels.targets, np.int64)
    training_set = TrainingSet(images, labels, pad=PAD, flip=True)
    network = _network(arguments).to(memory_format=torch.channels_last)
    optimisation = Optimisation(StepDecay(LR), MOMENTUM, True, WEIGHT_DECAY, arguments.batch_size)
    model = Model("bench", network.spec, None, network)
    losses = {"bench": CrossEntropy()}
    fit = Fit({"bench": model}, losses, False, {}, {}, None, 1, Span(0, 1))
    parts = parts_of(fit, lambda model: model.network, compute.device)
    step = Step(fit, parts, compute, optimizers_of(parts, optimisation))
    epochs = (training_set.epoch(arguments.batch_size, 0, "bench", e) for e in itertools.count())
    endless = itertools.chain.from_iterable(epochs)

    def turn(steps: int) -> dict[str, float]:
        batches = Waiting(endless)
        meter = Meter("bench", 1, 1, steps, arguments.batch_size, compute.device)
        clock = Clock(compute)
        for batch in itertools.islice(batches, steps):
            meter.add(step(batch, LR), LR)
            meter.look()
        meter.check()
        return clock.stopped() | {_WAITED: batches.seconds, _PREPARED: _prepared(endless)}

    return turn


def _prepared(batches: Iterator[Any]) -> float:
    """Returns the seconds that one of a few batches takes."""
    began = time.perf_counter()
    for _ in itertools.islice(batches, _FEW):
        pass
    return (time.perf_counter() - began) / _FEW


def _network(arguments: argparse.Namespace) -> Network:
    return build(NetworkSpec(arguments.model, CLASSES), seed=0)


# The measurement -------------------------------------------------------------------------------


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Lets the contenders take turns and returns what each took."""
    pixels = data_set(arguments.data_dir, arguments.images)
    compute = choose(arguments.device, arguments.precision, arguments.threads, graph=True)
    contenders = {"plain recipe": plain(arguments, pixels, compute)}
    name = f"reid-srdl, {compute.precision}"
    contenders[name] = ours(arguments, pixels, compute)
    if compute.graph:
        singly = replace(compute, graph=False)
        contenders[f"{name}, kernels launched singly"] = ours(arguments, pixels, singly)
    if arguments.compile:
        compiled = replace(compute, compile=True)
        contenders[f"{name}, compiled"] = ours(arguments, pixels, compiled)
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    with compute.activated():
        for turn in contenders.values():
            turn(arguments.warm_up)  # compiles, starts workers, fills caches
        for _ in range(arguments.turns):
            for name, turn in contenders.items():
                taken[name].append(turn(arguments.steps))
    images = arguments.steps * arguments.batch_size
    baseline = taken["plain recipe"]
    return {
        "model": arguments.model,
        "data": "CIFAR-100" if arguments.data_dir else "generated pixels",
        "batch_size": arguments.batch_size,
        "workers": arguments.workers,
        "device": str(compute.device),
        "processor": processor_name(),
        "threads": compute.threads,
        "versions": versions(),
        "rows": [row(name, turns, baseline, images) for name, turns in taken.items()],
    }


def row(
    name: str, turns: list[dict[str, float]], baseline: list[dict[str, float]], images: int
) -> dict[str, Any]:
    """Returns one contender's figures; ratios are taken within each turn."""
    speeds = [images / turn[_SECONDS] for turn in turns]
    pairs = list(zip(baseline, turns, strict=True))
    ratios = [b[_SECONDS] / t[_SECONDS] for b, t in pairs]
    cpu_ratios = [b[_CPU] / t[_CPU] for b, t in pairs]
    return {
        "name": name,
        "images_per_second": statistics.median(speeds),
        "turns": speeds,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "cpu_ratio": statistics.median(cpu_ratios),
        "cpu_ratios": cpu_ratios,
        "batch_seconds": statistics.median(turn[_PREPARED] for turn in turns),
        "waiting_for_data": sum(t[_WAITED] for t in turns) / sum(t[_SECONDS] for t in turns),
    }


# The input pipeline alone ------------------------------------------------------------------------

AUGMENTATIONS = {
    "crop and flip": PLAIN,
    "padding with zeros": Augmentation(pad_with="zero"),
    "erasing": Augmentation(erasing=Erasing(0.5)),
    "brightness, contrast, saturation": Augmentation(jitter=Jitter(0.2, 0.2, 0.2)),
    "all colours, hue too": Augmentation(jitter=Jitter(0.2, 0.2, 0.2, 0.1)),
    "all of them": Augmentation("zero", Jitter(0.2, 0.2, 0.2, 0.1), Erasing(0.5)),
}


def pipeline(arguments: argparse.Namespace) -> dict[str, Any]:
    """Times batches with each augmentation on; they take turns, ratios are within each turn."""
    compute = choose(arguments.device, arguments.precision, arguments.threads)
    size, count = tuple(arguments.size), max(arguments.batch_size, arguments.pipeline_images)
    pixels = np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    images, labels = Images(pixels, size, compute.device), np.zeros(count, np.int64)
    taken: dict[str, list[float]] = {name: [] for name in AUGMENTATIONS}
    with compute.activated():
        served = {
            name: _endless(images, labels, kind, arguments) for name, kind in AUGMENTATIONS.items()
        }
        for turn in range(arguments.turns + 1):
            for name, batches in served.items():
                clock = Clock(compute)
                for _ in itertools.islice(batches, arguments.steps):
                    pass
                if turn:  # the first one fills caches
                    taken[name].append(clock.stopped()[_SECONDS] / arguments.steps)
    return {
        "size": size,
        "batch_size": arguments.batch_size,
        "device": str(compute.device),
        "processor": processor_name(),
        "threads": compute.threads,
        "versions": versions(),
        "rows": [_pipeline_row(name, taken, arguments.batch_size) for name in taken],
    }


def _endless(
    images: Images, labels: NDArray[np.int64], kind: Augmentation, arguments: argparse.Namespace
) -> Iterator[Any]:
    training_set = TrainingSet(images, labels, pad=PAD, flip=True, augmentation=kind)
    epochs = (training_set.epoch(arguments.batch_size, 0, "bench", e) for e in itertools.count())
    return itertools.chain.from_iterable(epochs)


def _pipeline_row(name: str, taken: dict[str, list[float]], batch_size: int) -> dict[str, Any]:
    plain, own = next(iter(taken.values())), taken[name]
    return {
        "name": name,
        "batch_seconds": statistics.median(own),
        "images_per_second": batch_size / statistics.median(own),
        "ratio": statistics.median(t / p for t, p in zip(own, plain, strict=True)),
        "turns": own,
    }


def print_pipeline(report: dict[str, Any]) -> None:
    """Prints what each augmentation costs."""
    from rich.console import Console
    from rich.table import Table

    title = "{size[0]} x {size[1]} pixels, batch {batch_size}, {threads} threads, {device}"
    table = Table("", title=title.format(**report))
    for column in ("batch ms", "images/s", "x crop and flip"):
        table.add_column(column, justify="right")
    for row in report["rows"]:
        table.add_row(
            row["name"],
            f"{1000 * row['batch_seconds']:.2f}",
            f"{row['images_per_second']:.0f}",
            f"{row['ratio']:.2f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def print_table(report: dict[str, Any]) -> None:
    """Prints what was measured."""
    from rich.console import Console
    from rich.table import Table

    title = "{model}, {data}, batch {batch_size}, {threads} threads, {workers} workers, {device}"
    table = Table(title=title.format(**report))
    for column in (
        "",
        "images/s",
        "x plain",
        "least",
        "most",
        "x, CPU time",
        "waiting for data",
        "batch ms",
    ):
        table.add_column(column, justify="right" if column else "left")
    for found in report["rows"]:
        table.add_row(
            found["name"],
            f"{found['images_per_second']:.0f}",
            f"{found['ratio']:.2f}",
            f"{min(found['ratios']):.2f}",
            f"{max(found['ratios']):.2f}",
            f"{found['cpu_ratio']:.2f}",
            f"{100 * found['waiting_for_data']:.1f} %",
            f"{1000 * found['batch_seconds']:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main() -> int:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--data-dir", type=Path, help="holds cifar-100-python; default: generated pixels")
    add("--images", type=int, default=10_000, help="generated images (10,000)")
    add("--model", default="resnet32", help="any network by name (resnet32)")
    add("--batch-size", type=int, default=128)
    add("--steps", type=int, default=24, help="steps of a turn (24)")
    add("--turns", type=int, default=3, help="turns of each (3)")
    add("--warm-up", type=int, default=5, help="steps before the first turn (5)")
    add("--workers", type=int, default=2, help="of the plain recipe's DataLoader (2)")
    add("--threads", type=int, help="CPU threads; default: all cores")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    add("--precision", default="auto", help="of ours: auto, bf16 or fp32 (auto)")
    add("--compile", action="store_true", help="measure ours compiled, too (train.compile)")
    add("--pipeline", action="store_true", help="time the input pipeline with each augmentation")
    add("--size", type=int, nargs=2, default=(256, 128), help="of --pipeline, in pixels (256 128)")
    add("--pipeline-images", type=int, default=1024, help="of --pipeline (1024)")
    add("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    try:
        report = pipeline(arguments) if arguments.pipeline else measure(arguments)
    except UserError as error:
        print(f"error: {error.what}\nhint:  {error.hint}", file=sys.stderr)
        return error.exit_status
    if arguments.pipeline:
        print_pipeline(report)
    else:
        print_table(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
