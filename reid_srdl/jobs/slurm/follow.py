"""Several runs as jobs of SLURM: sent where they are missing, followed until all are over.

Whoever follows them may go away at any time: the jobs go on, and the next one finds them by the
list of jobs. Runs wait for each other by SLURM's dependencies, so nothing here has to stay.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from reid_srdl.config import AnyConfig
from reid_srdl.jobs.slurm.asked import Wanted
from reid_srdl.jobs.slurm.ledger import Ledger
from reid_srdl.jobs.slurm.needs import needs_of
from reid_srdl.jobs.slurm.queue import Job, cancel, jobs_of, largest_array
from reid_srdl.jobs.slurm.sending import recover, send
from reid_srdl.jobs.slurm.told import why_failed
from reid_srdl.jobs.studies.conduct import MissingData, StudyListener, Where, placed
from reid_srdl.jobs.studies.process import WatchedRun
from reid_srdl.records.store import RECORD
from reid_srdl.records.studies.plan import RunPlan
from reid_srdl.records.studies.progress import Outcome

_SOON, _LATE = 1.0, 15.0  # seconds between two looks at the queue, while all stands still longer
_OFTEN = 5  # times that a run is sent in one call
_LAG = 30.0  # seconds until a job's record must be seen here, over a network's disk


class QueueListener(StudyListener, Protocol):
    """Hears how a study goes, on a queue too."""

    def queued(self, runs: Sequence[str], jobs: Sequence[str], after: Sequence[str]) -> None:
        """These runs are in the queue as these jobs; they wait for those."""


def conduct_on_slurm(
    runs: Sequence[RunPlan],
    found: Mapping[str, Path],
    where: Where,
    folder: Path,
    wanted: Wanted,
    listener: QueueListener,
) -> list[Outcome]:
    """Trains runs that are not finished, each as a job.

    Args:
        runs: teachers first.
        found: the folders of the finished ones, by name.
        where: places and devices.
        folder: where the runs' folders stand.
        wanted: what each job gets.
        listener: told of the progress.

    Returns:
        What became of each run, in their order.

    Raises:
        UserError: SLURM refuses the jobs.
        KeyboardInterrupt: nobody follows them any more; the jobs go on.
    """
    return _Followed(runs, found, where, folder.resolve(), wanted, listener).conduct()


class _Followed:
    """Knows what became of each run so far."""

    def __init__(
        self,
        runs: Sequence[RunPlan],
        found: Mapping[str, Path],
        where: Where,
        folder: Path,
        wanted: Wanted,
        listener: QueueListener,
    ) -> None:
        self._runs, self._found, self._where, self._folder = runs, found, where, folder
        self._wanted, self._listener = wanted, listener
        self._ledger = Ledger(folder)
        self._outcomes = {
            run.name: Outcome(run, "there", found[run.name]) for run in runs if run.name in found
        }
        self._open = {run.name: run for run in runs if run.name not in found}
        self._needs = needs_of(runs, set(self._open), share=where.share)
        self._missing = MissingData(where.data_dir)
        self._sent: Counter[str] = Counter()  # how often each was, in this call
        self._watched: dict[str, WatchedRun] = {}  # those that run
        self._ended: dict[str, float] = {}  # when a job was first seen to have ended

    def conduct(self) -> list[Outcome]:
        recover(self._ledger)
        self._listener.begins(list(self._open.values()), len(self._outcomes))
        pause = _SOON
        while self._open:
            changed = self._look()
            self._listener.works(list(self._watched.values()))
            if self._open:
                pause = _SOON if changed else min(1.2 * pause, _LATE)
                time.sleep(pause)
        return [self._outcomes[run.name] for run in self._runs]

    def _look(self) -> bool:
        """Notes what has changed, and sends what has no job; says whether anything changed."""
        before = len(self._open), len(self._watched), self._sent.total()
        sent = self._ledger.read().jobs
        states = jobs_of([sent[name].job for name in self._open if name in sent])
        lost, met = [], []
        for name, run in list(self._open.items()):
            job = states.get(sent[name].job) if name in sent else None
            if job is not None and job.waits_in_vain:
                if job.alive:
                    cancel([sent[name].job])
                lost.append(run)
            elif job is not None and job.alive:
                met += [name] * (name not in self._sent)
                self._goes_on(run, job)
            elif self._is_over(run, job):
                continue
            else:
                lost.append(run)
        if met:  # an earlier call's
            self._listener.queued(met, [sent[name].job for name in met], ())
        self._send(lost)
        return before != (len(self._open), len(self._watched), self._sent.total())

    def _goes_on(self, run: RunPlan, job: Job) -> None:
        """Notes a job that waits or runs, whoever sent it."""
        self._sent[run.name] = max(1, self._sent[run.name])
        if job.runs and run.name not in self._watched:
            log = self._ledger.log_of(self._ledger.read().jobs[run.name])
            self._watched[run.name] = WatchedRun(run.name, self._config(run), log)
            self._listener.started(run)
        elif not job.runs:
            self._watched.pop(run.name, None)

    def _is_over(self, run: RunPlan, job: Job | None) -> bool:
        """Notes a run that is finished or has failed; False: it needs a job, or is waited for."""
        ended_well = job is not None and job.state == "COMPLETED"
        forgotten = job is None and self._sent[run.name] > 0  # minutes after its end
        if (ended_well or forgotten) and (self._folder / run.name / RECORD).exists():
            self._end(run, "finished")
            return True
        if ended_well:
            ended = self._ended.setdefault(run.name, time.monotonic())
            if self._sent[run.name] and time.monotonic() - ended < _LAG:
                return True
        if not self._sent[run.name] or (
            job is not None and job.taken_away and self._sent[run.name] < _OFTEN
        ):
            return False  # an earlier call's, or taken away
        sent = self._ledger.read().jobs[run.name]
        log = self._ledger.log_of(sent)
        self._end(run, "failed", f"{why_failed(job, log)} (job {sent.job}, log: {log})")
        return True

    def _send(self, runs: Sequence[RunPlan]) -> None:
        """Sends runs, those that wait for the same jobs together, makers before who needs them."""
        left = {run.name: run for run in runs}
        most = largest_array() if len(runs) > 1 else 1
        while left:
            groups: dict[tuple[str, ...], list[RunPlan]] = {}
            for run in list(left.values()):
                if (error := self._hopeless(run)) is not None:
                    del left[run.name]
                    self._end(run, "failed", error)
                elif not left.keys() & set(self._needs[run.name]):
                    groups.setdefault(tuple(self._jobs_before(run)), []).append(run)
            for after, group in groups.items():
                for start in range(0, len(group), most):
                    self._send_array(after, group[start : start + most])
                    for run in group[start : start + most]:
                        del left[run.name]

    def _send_array(self, after: Sequence[str], group: Sequence[RunPlan]) -> None:
        """Sends runs that wait for the same jobs."""
        sent = send([self._config(run) for run in group], after, self._wanted, self._ledger)
        self._listener.queued(list(sent), [one.job for one in sent.values()], after)
        for name in sent:
            self._sent[name] += 1
            self._watched.pop(name, None)

    def _hopeless(self, run: RunPlan) -> str | None:
        """Returns why a run cannot be trained; None: it can."""
        for name in self._needs[run.name]:
            if name in self._outcomes and self._outcomes[name].state == "failed":
                return f"{name}, which it waits for, failed"
        return self._missing.of(run.config.data)

    def _jobs_before(self, run: RunPlan) -> Iterator[str]:
        """Yields the jobs that must have succeeded before a run's begins."""
        sent = self._ledger.read().jobs
        yield from (sent[name].job for name in self._needs[run.name] if name in self._open)

    def _config(self, run: RunPlan) -> AnyConfig:
        """Returns a run's configuration with its places; its teacher's folder may be empty yet."""
        taught_by = None
        if run.teacher is not None:
            taught_by = self._found.get(run.teacher, self._folder / run.teacher)
        return placed(run, self._where, self._folder, taught_by)

    def _end(self, run: RunPlan, state: Literal["finished", "failed"], error: str = "") -> None:
        del self._open[run.name]
        watched = self._watched.pop(run.name, None)
        self._outcomes[run.name] = Outcome(run, state, self._folder / run.name, error)
        self._listener.ended(self._outcomes[run.name], watched)
