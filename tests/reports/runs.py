"""Runs of a network of one convolution, trained in this process in a moment."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from reid_srdl.config import AnyConfig, merge, resolve
from reid_srdl.jobs.listener import Silence
from reid_srdl.jobs.train import train
from reid_srdl.methods import OPTIONS
from reid_srdl.records.run import RunRecord
from reid_srdl.training.monitor import EpochRow
from tests.class_set import write_class_folder
from tests.small_set import write_small_set
from tests.training import tiny_nets

tiny_nets.add_rows()

TREE: dict[str, Any] = {
    "data": {"name": "folder", "height": 16, "width": 16, "pad": 2},
    "model": {"name": "tiny"},
    "method": {"name": "vanilla"},
    "optim": {"batch_size": 8},
    "train": {"epochs": 2, "precision": "fp32", "threads": 1, "device": "cpu"},
}


class Listener(Silence):
    """Remembers what is said; may stop at the end of an epoch as by Ctrl-C."""

    def __init__(self, stop: bool = False) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.epochs = 0
        self.stop = stop

    def noted(self, line: str) -> None:
        self.notes.append(line)

    def warned(self, line: str) -> None:
        self.warnings.append(line)

    def epoch_finished(self, row: EpochRow) -> None:
        self.epochs += 1
        if self.stop:
            raise KeyboardInterrupt


def config(data: Path, runs: Path, name: str | None = "r", /, **changes: Any) -> AnyConfig:
    """Returns a configuration; ``changes`` are sections, laid over ``TREE``."""
    places = {"data": {"dir": str(data)}, "run": {"dir": str(runs), "name": name}}
    return resolve(merge(merge(TREE, places), changes), OPTIONS)


def run(
    data: Path,
    runs: Path,
    name: str | None = "r",
    /,
    *,
    listener: Listener | None = None,
    **changes: Any,
) -> RunRecord:
    """Trains a run on a re-id set."""
    return train(config(data, runs, name, **changes), listener)


def run_classes(
    data: Path,
    runs: Path,
    name: str | None = "r",
    /,
    *,
    listener: Listener | None = None,
    **changes: Any,
) -> RunRecord:
    """Trains a run on class folders."""
    tree = merge({"data": {"name": "class-folder"}}, changes)
    return train(config(data, runs, name, **tree), listener)


def people(root: Path) -> Path:
    """Writes a re-id set of 6 people for training and 4 for testing."""
    return write_small_set(root)


def classes(root: Path, *kept: str) -> Path:
    """Writes class folders; with ``kept`` only these."""
    write_class_folder(root)
    for folder in [path for path in root.glob("*/*") if kept and path.name not in kept]:
        shutil.rmtree(folder)
    return root
