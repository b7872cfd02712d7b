"""A trainer on made-up data that is small enough for tests, and a script that trains with it.

As a script it trains SRDL and may kill itself: ``tiny.py FOLDER KILL_AT``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.models.maker import NetworkMaker
from reid_srdl.models.network import Network
from reid_srdl.training.monitor import EpochRow, Progress
from reid_srdl.training.phases import Phases
from reid_srdl.training.precision import choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.trainer import Model, Optimisation, Trainer

CLASSES = 3
CPU = torch.device("cpu")


class Maker(NetworkMaker):
    """Makes networks of one layer: ``tiny`` with 6 channels, ``teacher`` with 12."""

    def make(self, seed: int, name: str | None = None) -> Network:
        width = 12 if name == "teacher" else 6
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trunk = nn.Sequential(
                nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()
            )
            return Network(trunk, nn.Linear(width, CLASSES))


def training_set(images: int = 26) -> TrainingSet:
    generator = np.random.default_rng(7)
    labels = np.arange(images) % CLASSES
    pixels = generator.integers(0, 120, (images, 16, 8, 3)) + 40 * labels[:, None, None, None]
    served = Images(pixels.astype(np.uint8), (16, 8), CPU)
    return TrainingSet(served, labels.astype(np.int64), pad=2, flip=True)


class Recorder:
    """A monitor that remembers, and calls a hook at each event."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.rows: list[EpochRow] = []

    def happened(self, event: str) -> None:
        self.events.append(event)

    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None:
        self.happened(f"open:{name}:{len(rows)}")

    def progressed(self, progress: Progress) -> None:
        self.happened(f"step:{progress.phase}")

    def epoch_finished(self, row: EpochRow) -> None:
        self.rows.append(row)
        self.happened(f"epoch:{row.phase}:{row.epoch}")


class Killer(Recorder):
    """Kills its process, without any warning, at an event."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at

    def happened(self, event: str) -> None:
        if event == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def trainer(folder: Path, monitor: Any = None, **changes: Any) -> Trainer:
    settings: dict[str, Any] = {
        "maker": Maker("tiny", CLASSES),
        "training_set": training_set(),
        "optimisation": Optimisation(StepDecay(0.1), 0.9, True, 2e-4, 8),
        "seed": 0,
        "compute": choose("cpu", "fp32", 1),
        "phases": Phases(folder),
        "monitor": monitor or Recorder(),
        "extract_batch": 10,
    }
    return Trainer(**{**settings, **changes})


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def kill_before_rename(suffix: str, nth: int) -> None:
    """Kills the process when the nth file of this suffix is written but not yet renamed."""
    rename, seen = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        if str(target).endswith(suffix):
            seen[0] += 1
            if seen[0] == nth:
                os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, target)

    Path.replace = replace  # type: ignore[method-assign]


def main() -> None:
    folder, kill_at = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    if kill_at.startswith("rename:"):
        kill_before_rename(".safetensors", int(kill_at.split(":")[1]))
    models = srdl(trainer(folder, Killer(kill_at)), 6, SRDLOptions())
    torch.save(models["srdl"].network.state_dict(), folder / "result.pt")


if __name__ == "__main__":
    main()
