"""What a job of SLURM does: it trains a run, and sends itself again where it is taken away.

SLURM asks a job to stop by SIGTERM, before it gives its machine to another one or after scancel.
90 seconds before the job's time is up it sends SIGUSR2, as submitit asks it to. Either way the
training writes a checkpoint at its next step and ends, and submitit puts the job into the queue
again, under the same id, unless somebody cancelled it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from reid_srdl.errors import Terminated

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


@dataclass(frozen=True)
class TrainingJob:
    """A run as submitit calls it.

    Attributes:
        config: the resolved experiment as JSON.
    """

    config: str

    def __call__(self) -> None:
        """Trains the run, or goes on with it."""
        from reid_srdl.jobs.studies.worker import STOPPED, train_told

        wishes = _Wishes()
        status = train_told(json.loads(self.config))
        if status == STOPPED and wishes.go_on_later():
            print("stopped by the queue: the job goes into it again", file=sys.stderr, flush=True)
            wishes.requeue()
        if status:
            sys.exit(status)

    def checkpoint(self) -> DelayedSubmission:
        """Returns what the job does once it starts again: the same; the run's folder has it all."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def own_id(environ: Mapping[str, str]) -> str:
    """Returns the id of the job that this process is in.

    SLURM_JOB_ID will not do in an array: one of its tasks has the array's id, which names all.

    >>> own_id({"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"})
    '7_3'
    """
    if "SLURM_ARRAY_TASK_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ["SLURM_JOB_ID"]


class _Wishes:
    """Passes SLURM's wishes on to the training, each as one SIGTERM.

    While networks are trained `training.interrupts` takes SIGTERM; at any other time nothing is
    lost if the work ends at once.
    """

    def __init__(self) -> None:
        self._requeue: Any = signal.getsignal(signal.SIGUSR2)  # submitit's, for the time limit
        self._time_is_up = False
        signal.signal(signal.SIGTERM, self._at_once)
        signal.signal(signal.SIGUSR2, self._time_passes)

    def go_on_later(self) -> bool:
        """Returns whether the run is to go on in another job; after scancel it is not.

        A job that SLURM itself has ended is COMPLETING by now: cancelled, or its business.
        """
        if self._time_is_up:
            return True
        command = ["squeue", "--noheader", "--array", "--jobs", own_id(os.environ), "--format=%T"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        return told.stdout.strip() == "RUNNING"

    def requeue(self) -> None:
        """Puts the job into the queue again, and ends this process; SLURM asks for that, too."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._requeue(signal.SIGUSR2, None)

    def _time_passes(self, _number: int, _frame: FrameType | None) -> None:
        self._time_is_up = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _at_once(self, _number: int, _frame: FrameType | None) -> None:
        raise Terminated()
