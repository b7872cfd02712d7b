"""How the runs of a study go, for those who run them and those who show them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from reid_srdl.records.studies.plan import RunPlan


@dataclass(frozen=True)
class Outcome:
    """What became of a planned run.

    Attributes:
        state: ``there`` was finished before, ``finished`` now, ``failed``.
        folder: where it stands.
        error: why it failed, in one line.
    """

    run: RunPlan
    state: Literal["there", "finished", "failed"]
    folder: Path
    error: str = ""


@dataclass(frozen=True)
class OnQueue:
    """Where a run stands that was sent to SLURM.

    Attributes:
        run: its name.
        state: ``unknown`` where SLURM does not answer.
        job: its newest job's id.
        told: why it waits or failed, in one line; empty: nothing to tell.
        log: the file that the job writes to.
    """

    run: str
    state: Literal["queued", "running", "failed", "finished", "unknown"]
    job: str
    told: str
    log: Path


class Running(Protocol):
    """A run that works or has just ended."""

    name: str

    @property
    def dataset(self) -> str:
        """The data set's name."""

    @property
    def network(self) -> str:
        """The network's name."""

    @property
    def epochs(self) -> int:
        """How many epochs it has in all."""

    def epoch_seconds(self) -> list[float]:
        """Returns how long each finished epoch took."""
