"""The file of a study's jobs: which run is which job. It outlives the process that sent them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
from pydantic import Field, ValidationError

from reid_srdl.errors import FileError, UserError
from reid_srdl.files import write_text
from reid_srdl.places import writing
from reid_srdl.records.part import RecordPart

FOLDER = ".slurm"  # hidden, so that nothing takes it for a run
_WHAT = "the list of jobs"


class Sent(RecordPart):
    """A run's newest job.

    Attributes:
        job: its id, e.g. ``17`` or ``17_3``.
        log: what it says, from the study's folder.
    """

    job: str
    log: str


class Listed(RecordPart):
    """What the file holds.

    Attributes:
        jobs: by the runs' names.
        sending: the name of jobs that are being sent, whose ids are not known yet.
    """

    jobs: dict[str, Sent] = Field(default_factory=dict)
    sending: str | None = None


@dataclass
class Ledger:
    """The jobs of the runs in a folder.

    Attributes:
        folder: of the runs; the file stands in ``.slurm`` below, beside the jobs' logs.
    """

    folder: Path

    @property
    def place(self) -> Path:
        """The folder of logs, and of what submitit writes."""
        return self.folder / FOLDER

    @property
    def path(self) -> Path:
        """The file."""
        return self.place / "jobs.json"

    def read(self) -> Listed:
        """Returns what was sent; nothing where there is no file.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return Listed.model_validate_json(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Listed()
        except OSError as error:
            raise FileError(error, self.path, "read the list of jobs") from None
        except (ValidationError, UnicodeDecodeError):
            hint = "end its jobs (squeue --me lists all of yours), and delete it: runs go on"
            raise UserError(f"{self.path}: is damaged", hint) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other commands from sending runs of this folder meanwhile."""
        with writing(self.place, "the jobs' folder"):
            self.place.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.place / "lock")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def announce(self, name: str) -> None:
        """Notes that jobs of a name are about to be sent."""
        self._write(self.read().model_copy(update={"sending": name}))

    def note(self, jobs: dict[str, Sent]) -> None:
        """Notes the jobs of runs, and that they were sent."""
        self._write(Listed(jobs={**self.read().jobs, **jobs}))

    def log_of(self, sent: Sent) -> Path:
        """Returns the file that a job writes to."""
        return self.folder / sent.log

    def _write(self, listed: Listed) -> None:
        write_text(self.path, listed.model_dump_json(indent=2) + "\n", _WHAT)
