"""Events for TensorBoard, in the run's folder ``tensorboard``: epochs as they end, then scores."""

from __future__ import annotations

import importlib
import io
import os
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_srdl.errors import UserError
from reid_srdl.files import append, do_without
from reid_srdl.seals import sealed, unseal
from reid_srdl.texts import plain
from reid_srdl.training.monitor import EpochRow, Progress

FOLDER = "tensorboard"
_WHAT = "the events for TensorBoard"
_VERSION = "brain.Event:2"  # of the format, in the first event


class TensorBoardLog:
    """A monitor that writes scalars: ``PHASE/loss/NETWORK`` and so on, by epochs of the whole run.

    The folder is made anew by each process. What earlier ones did is known from checkpoints. An
    event is appended whole or not at all, and a disk that takes none ends nothing: torch's own
    writer would print a traceback of its thread, and end the training.

    Args:
        run: the run's folder.

    Raises:
        UserError: tensorboard is not installed.
    """

    def __init__(self, run: Path) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401 - whether it is there
        except ImportError:
            raise UserError(
                "--tensorboard: tensorboard is not installed", "pip install tensorboard"
            ) from None
        folder = run / FOLDER
        who = f"{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.0"
        self._path = folder / f"events.out.tfevents.{who}"
        try:
            for old in folder.glob("*"):
                unseal(old)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            do_without(error, self._path, _WHAT)
        self._append(file_version=_VERSION)
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
        self._append(
            summary=_summary().text("warnings", plain(line)), step=self._first + self._epochs
        )

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

    def close(self) -> None:
        """Seals the file, which grows no more."""
        try:
            with sealed(self._path):
                pass
        except OSError as error:
            do_without(error, self._path, _WHAT)

    def _scalar(self, name: str, value: float, step: int) -> None:
        self._append(summary=_summary().scalar(plain(name), value), step=step)

    def _append(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        content = io.BytesIO()
        RecordWriter(content).write(Event(wall_time=time.time(), **event).SerializeToString())
        append(self._path, content.getvalue(), _WHAT)


def _summary() -> Any:
    """Returns torch's module that makes summaries, which has no types."""
    return importlib.import_module("torch.utils.tensorboard.summary")
