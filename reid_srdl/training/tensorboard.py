"""Events for TensorBoard, in the run's folder ``tensorboard``: epochs as they end, then scores."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_srdl.errors import UserError
from reid_srdl.texts import plain
from reid_srdl.training.monitor import EpochRow, Progress

FOLDER = "tensorboard"


class TensorBoardLog:
    """A monitor that writes scalars: ``PHASE/loss/NETWORK`` and so on, by epochs of the whole run.

    The folder is made anew by each process. What earlier ones did is known from checkpoints.

    Args:
        run: the run's folder.

    Raises:
        UserError: tensorboard is not installed.
    """

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "--tensorboard: tensorboard is not installed", "pip install tensorboard"
            ) from None
        shutil.rmtree(run / FOLDER, ignore_errors=True)
        self._writer: Any = SummaryWriter(str(run / FOLDER), flush_secs=10)
        self._first = 0  # epochs of the phases before this one
        self._phase, self._epochs = "", 0

    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None:
        """Writes the epochs that are known to be done."""
        self._first += self._epochs
        self._phase, self._epochs = name, 0
        for row in rows:
            self.epoch_finished(row)

    def progressed(self, progress: Progress) -> None:
        """Writes the rate within an epoch."""
        step = self._first + progress.epoch - 1 + progress.step / max(progress.steps, 1)
        rate = progress.images_per_second
        self._scalar(f"{self._phase}/rate within epochs", rate, round(1000 * step))

    def warned(self, line: str) -> None:
        """Writes a warning as a text."""
        self._writer.add_text("warnings", plain(line), self._first + self._epochs)

    def epoch_finished(self, row: EpochRow) -> None:
        """Writes an epoch's numbers."""
        self._epochs = row.epoch
        step = self._first + row.epoch
        told = {"learning rate": row.lr, "images per second": row.images_per_second}
        for name, network in row.networks.items():
            told |= {f"loss/{name}": network.loss}
            told |= {f"{term}/{name}": value for term, value in network.terms.items()}
            known = {"accuracy": network.accuracy, "validation": network.validation}
            told |= {f"{key}/{name}": value for key, value in known.items() if value is not None}
        for key, value in told.items():
            self._scalar(f"{row.phase}/{key}", value, step)

    def evaluated(self, network: str, result: Mapping[str, Any]) -> None:
        """Writes the scores of a network: every fraction of its result."""
        for kind, scores in result.items():
            if isinstance(scores, Mapping):
                self.evaluated(f"{network}/{kind}", scores)
            elif isinstance(scores, float):
                step = self._first + self._epochs
                self._scalar(f"evaluation/{network}/{kind}", scores, step)

    def _scalar(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(plain(tag), value, step)

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
