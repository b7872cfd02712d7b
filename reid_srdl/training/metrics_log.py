"""``metrics.jsonl``: one line of JSON per epoch."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.files import write_text
from reid_srdl.training.monitor import EpochRow, Progress


class MetricsLog:
    """Writes each finished epoch to a file, and what the checkpoints remember after a restart.

    The checkpoints decide: a line that a killed process wrote without its checkpoint goes, one
    that it had no time to write comes back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[EpochRow] = []

    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None:
        """Writes the file anew with the epochs that are known to be done."""
        self._rows += rows
        write_text(self._path, "".join(f"{row.model_dump_json()}\n" for row in self._rows))

    def progressed(self, progress: Progress) -> None:
        """Nothing is written within an epoch."""

    def epoch_finished(self, row: EpochRow) -> None:
        """Appends an epoch's line."""
        self._rows.append(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{row.model_dump_json()}\n")
