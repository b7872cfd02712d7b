"""``metrics.jsonl``: one line of JSON per epoch."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.errors import FileError
from reid_srdl.files import append_line, write_text
from reid_srdl.seals import unseal
from reid_srdl.training.monitor import EpochRow, Progress


class MetricsLog:
    """Writes each finished epoch to a file, and what the checkpoints remember after a restart.

    The checkpoints decide: a line that a killed process wrote without its checkpoint goes, one
    that it had no time to write comes back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[EpochRow] = []
        self._whole = True

    def phase_opened(self, name: str, share: float, rows: list[EpochRow]) -> None:
        """Writes the file anew with the epochs that are known to be done."""
        self._rows += rows
        unseal(self._path)
        self._rewrite()

    def progressed(self, progress: Progress) -> None:
        """Nothing is written within an epoch."""

    def warned(self, line: str) -> None:
        """Warnings are no metrics."""

    def epoch_finished(self, row: EpochRow) -> None:
        """Appends an epoch's line; a full disk is no reason to stop, the checkpoints know it."""
        self._rows.append(row)
        if self._whole:
            self._whole = append_line(self._path, row.model_dump_json(), "the metrics")
        else:
            self._rewrite()

    def _rewrite(self) -> None:
        lines = "".join(f"{row.model_dump_json()}\n" for row in self._rows)
        try:
            write_text(self._path, lines, "the metrics")
            self._whole = True
        except FileError:
            self._whole = False
