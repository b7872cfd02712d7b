"""Durable phases: each ``fit`` and ``extract`` is a file, read back instead of done twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from reid_srdl.models.weights import read_tensors, write_tensors
from reid_srdl.training.monitor import EpochRow


def phase_key(**settings: Any) -> str:
    """Returns a hash of a phase's settings, its parents' keys among them."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass
class Phase:
    """One phase of a run: what of it is done, and the file that holds it.

    Attributes:
        name: as the method calls it, e.g. ``first``.
        kind: ``fit`` or ``extract``.
        key: hash of its settings and its parents' keys.
        path: the phase's safetensors file.
        epochs: epochs in all (0 for an extraction).
        passes: forward passes over the training set that an extraction takes (0 for a fit).
        rows: the epochs that are done.
        tensors: what the file holds; empty where nothing is done.
        network: name of the network that it runs.
        macs: multiply-accumulates of one forward pass of one image through it.
        seconds: time that the finished part took.
        finished: nothing is left to do.
    """

    name: str
    kind: str
    key: str
    path: Path
    epochs: int = 0
    passes: int = 0
    network: str = ""
    macs: int = 0
    rows: list[EpochRow] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    finished: bool = False

    def save(self, tensors: dict[str, Tensor], *, finished: bool) -> None:
        """Puts the phase's state on the disk, whole or not at all."""
        facts = {
            "key": self.key,
            "rows": [row.model_dump() for row in self.rows],
            "seconds": self.seconds,
            "finished": finished,
        }
        write_tensors(self.path, tensors, facts)
        self.finished = finished

    def load(self) -> None:
        """Reads back what an earlier process did, if anything."""
        if not self.path.exists():
            return
        self.tensors, facts = read_tensors(self.path)
        self.rows = [EpochRow.model_validate(row) for row in facts["rows"]]
        self.seconds = facts["seconds"]
        self.finished = facts["finished"]

    def read(self) -> dict[str, Tensor]:
        """Returns what the phase's file holds."""
        return read_tensors(self.path)[0]


class Phases:
    """The phases of one run, in the order in which its method opened them.

    Args:
        folder: where their files stand.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[Phase] = []

    def open(
        self, name: str, kind: str, *, epochs: int = 0, passes: int = 0, **settings: Any
    ) -> Phase:
        """Opens a phase by its settings; another setting is another key is another file."""
        key = phase_key(name=name, kind=kind, epochs=epochs, passes=passes, **settings)
        path = self.folder / f"{name}-{key[:16]}.safetensors"
        phase = Phase(name, kind, key, path, epochs, passes)
        phase.load()
        self.opened.append(phase)
        return phase
