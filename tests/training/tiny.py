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

from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.fitting import Judge
from reid_srdl.training.monitor import EpochRow, Progress
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.setting import DataFacts, Setting
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Knowledge, Model, View
from tests.training import tiny_nets

CLASSES = 3
SIZE = (16, 8)
CPU = torch.device("cpu")
tiny_nets.add_rows()


def training_set(images: int = 26, device: torch.device = CPU) -> TrainingSet:
    generator = np.random.default_rng(7)
    labels = np.arange(images) % CLASSES
    pixels = generator.integers(0, 120, (images, *SIZE, 3)) + 40 * labels[:, None, None, None]
    served = Images(pixels.astype(np.uint8), SIZE, device)
    return TrainingSet(served, labels.astype(np.int64), pad=2, flip=True)


class Recorder:
    """A monitor that remembers, and calls a hook at each event."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.rows: list[EpochRow] = []
        self.shares: dict[str, float] = {}  # of each phase, what was read back
        self.warnings: list[str] = []

    def happened(self, event: str) -> None:
        self.events.append(event)

    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None:
        self.shares[name] = share
        self.happened(f"open:{name}:{len(rows)}")

    def progressed(self, progress: Progress) -> None:
        self.happened(f"step:{progress.phase}")

    def epoch_finished(self, row: EpochRow) -> None:
        self.rows.append(row)
        self.happened(f"epoch:{row.phase}:{row.epoch}")

    def warned(self, line: str) -> None:
        self.warnings.append(line)


class Killer(Recorder):
    """Kills its process, without any warning, at an event."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at

    def happened(self, event: str) -> None:
        if event == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def setting(
    images: TrainingSet | None = None,
    *,
    network: str = "tiny",
    seed: int = 0,
    optimisation: Optimisation | None = None,
    compute: Compute | None = None,
    name: str = "walkers",
    content: str = "",
    every: int | None = None,
    validation: float = 0.0,
    share: float = 1.0,
) -> Setting:
    images = images or training_set()
    compute = compute or choose("cpu", "fp32", 1)
    counts = torch.bincount(images.labels, minlength=CLASSES).tolist()
    classes = tuple(map(str, range(CLASSES)))
    return Setting(
        network=NetworkSpec(network, CLASSES, SIZE),
        start="random",
        data=DataFacts(
            name, images.key, classes, tuple(counts), SIZE, images.pad, images.flip, validation
        ),
        optimisation=optimisation or Optimisation(StepDecay(0.1), 0.9, True, 2e-4, 8),
        seed=seed,
        precision=compute.precision,
        content=content,
        compile=compute.compile,
        every=every,
        share=share,
    )


def accuracy(network: Network, view: View | None) -> float:
    """Judges a network by its accuracy on the training images."""
    images = training_set()
    with torch.no_grad():
        logits = torch.cat([network.eval()(clean).logits for clean in images.clean(26)])
    return float((logits.argmax(dim=1) == images.labels).double().mean())


def trainer(
    folder: Path,
    monitor: Any = None,
    *,
    training_set: TrainingSet | None = None,
    compute: Compute | None = None,
    checkpoint_seconds: float = 600.0,
    judge: Judge = accuracy,
    judged: bool = False,
    watch: bool = False,
    **changes: Any,
) -> Trainer:
    """A trainer; ``judged`` says that each epoch is, by ``judge``."""
    images = training_set or globals()["training_set"]()
    compute = compute or choose("cpu", "fp32", 1)
    if judged:
        changes = {"validation": 0.1, "every": 1, **changes}
    return Trainer(
        setting(images, compute=compute, **changes),
        training_set=images,
        compute=compute,
        folder=folder,
        monitor=monitor or Recorder(),
        extract_batch=10,
        checkpoint_seconds=checkpoint_seconds,
        judge=judge,
        watch=watch,
    )


def planner(**changes: Any) -> Planner:
    return Planner(setting(**changes))


def table(trainer: Trainer, knowledge: Knowledge, number: int = 0) -> torch.Tensor:
    """Returns the N x C logits of a table of knowledge, float32."""
    return trainer._rows(knowledge.tables[number], torch.arange(len(trainer._training_set)))


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def kill_before_rename(suffix: str, nth: int) -> None:
    """Kills the process when the nth file of this suffix is written but not yet renamed."""
    rename, seen = os.replace, [0]

    def replace(source: Any, target: Any) -> None:
        if str(target).endswith(suffix):
            seen[0] += 1
            if seen[0] == nth:
                os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)

    os.replace = replace


def main() -> None:
    folder, kill_at = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    if kill_at.startswith("rename:"):
        kill_before_rename(".safetensors", int(kill_at.split(":")[1]))
    models = srdl(trainer(folder, Killer(kill_at)), 6, SRDLOptions())
    torch.save(models["srdl"].network.state_dict(), folder / "result.pt")


if __name__ == "__main__":
    main()
