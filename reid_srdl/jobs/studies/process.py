"""Starts, watches and stops the process of one run."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from reid_srdl.config import AnyConfig
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.places import writing
from reid_srdl.training.monitor import EpochRow

_WORKER = "reid_srdl.jobs.studies.worker"
_TAIL = 8192  # bytes of a log that are searched for its last error


class WatchedRun:
    """A run that is trained somewhere, seen from its folder.

    Args:
        name: the run's name.
        config: its whole configuration, places included.
        log: what it says is appended here.
    """

    def __init__(self, name: str, config: AnyConfig, log: Path) -> None:
        self.name, self.config, self.log = name, config, log
        self.folder = config.run.dir / name

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.config.data.name

    @property
    def network(self) -> str:
        """The network's name."""
        return self.config.model.name

    @cached_property
    def epochs(self) -> int:
        """Epochs in all, those of a teacher that it trains included."""
        return rehearse(self.config).epochs

    def epoch_seconds(self) -> list[float]:
        """Returns the seconds of each finished epoch.

        A line that is being written, or damaged, is passed over: the run itself tells of damage.
        """
        try:
            content = (self.folder / "metrics.jsonl").read_bytes()
        except OSError:
            return []
        lines = [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]
        return [seconds for line in lines if (seconds := _seconds(line)) is not None]


class RunProcess(WatchedRun):
    """A run that trains in a process of its own."""

    def __init__(self, name: str, config: AnyConfig, log: Path) -> None:
        super().__init__(name, config, log)
        with writing(log, "the run's log"):
            log.parent.mkdir(parents=True, exist_ok=True)
            out = log.open("a", encoding="utf-8")
        with out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _WORKER],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the study alone, which stops its runs
            )
        assert self._process.stdin is not None
        self._input = self._process.stdin
        with suppress(BrokenPipeError):  # it ended at once; its log says why
            self._input.write(json.dumps(config.model_dump(mode="json")) + "\n")
            self._input.flush()

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Ends its input, at which it stops. One that has ended already is left alone."""
        with suppress(BrokenPipeError):  # what it never read is still to be written
            self._input.close()

    def wait(self, seconds: float) -> None:
        """Waits until it has ended; kills it after ``seconds``. A killed run can go on too."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def error(self) -> str:
        """Returns in one line why it failed."""
        status = self.status
        if status is not None and status < 0:
            return f"killed by signal {-status}{' (out of memory?)' if status == -9 else ''}"
        end = log_end(self.log)
        return end.error or end.last or f"exit status {status}"


@dataclass(frozen=True)
class LogEnd:
    """The end of a run's log.

    Attributes:
        text: as it stands there.
    """

    text: str

    @property
    def error(self) -> str:
        """The last error that it tells; empty: none."""
        told = [line.removeprefix("error: ") for line in self._lines if line.startswith("error: ")]
        return told[-1] if told else ""

    @property
    def last(self) -> str:
        """Its last line; empty: none."""
        return self._lines[-1] if self._lines else ""

    @property
    def _lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if line.strip()]


def log_end(path: Path) -> LogEnd:
    """Returns the end of a log; an empty one where it is gone or cannot be read."""
    return LogEnd(_tail(path))


def _seconds(line: bytes) -> float | None:
    """Returns the seconds of an epoch; None where the line is damaged."""
    try:
        return EpochRow.model_validate_json(line).seconds
    except ValidationError:
        return None


def _tail(path: Path) -> str:
    """Returns the end of a log; empty where it is gone or cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
