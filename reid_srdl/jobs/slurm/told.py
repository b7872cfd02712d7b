"""Where the runs of a study stand on SLURM, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.slurm.ledger import Ledger
from reid_srdl.jobs.slurm.queue import Job, jobs_of
from reid_srdl.jobs.studies.process import log_end
from reid_srdl.records.studies.match import study_folder
from reid_srdl.records.studies.plan import Plan
from reid_srdl.records.studies.progress import OnQueue
from reid_srdl.texts import shown

_MEMORY = ("oom-kill", "oom_kill", "out of memory", "out_of_memory", "memory limit")
_MORE_MEMORY = "out of memory: give each job more, e.g. --sbatch mem=32G"
_WHY = {
    "TIMEOUT": "its time was up",
    "CANCELLED": "it was cancelled",
    "PREEMPTED": "its machine was given to another job",
    "NODE_FAIL": "its machine failed",
    "BOOT_FAIL": "its machine did not start",
    "DEADLINE": "its deadline passed",
}


def why_failed(job: Job | None, log: Path) -> str:
    """Returns in one line why a job failed.

    Args:
        job: as SLURM tells of it; None: it has forgotten it.
        log: what the job said.
    """
    end = log_end(log)
    if (job is not None and job.state == "OUT_OF_MEMORY") or _speaks_of_memory(end.text):
        return end.error if "GPU" in end.error else _MORE_MEMORY
    if job is not None and job.waits_in_vain:
        return "a run that it waits for failed"
    if job is not None and job.state in _WHY:
        return _WHY[job.state]
    if end.error:
        return end.error
    if job is not None and job.exit > 128:
        by = job.exit - 128
        return f"killed by signal {by}{' (out of memory?)' if by == 9 else ''}"
    if job is not None and job.reason not in ("", "None", "NonZeroExitCode"):
        return f"SLURM says {job.reason}"
    return shown(end.last, 200) or "it left no record, and its log says nothing"


def standing_of(plan: Plan, runs: Path, found: Collection[str]) -> list[OnQueue]:
    """Returns where a study's runs stand that were sent to SLURM; none where none was.

    Args:
        plan: the study.
        runs: the folder of all runs.
        found: the names of the finished ones.
    """
    return standing(study_folder(runs, plan), [run.name for run in plan.runs], found)


def standing(folder: Path, names: Collection[str], finished: Collection[str]) -> list[OnQueue]:
    """Returns where runs that were sent to SLURM stand, in the order of their names.

    Args:
        folder: of the runs.
        names: of those that are asked for.
        finished: which of them are.
    """
    ledger = Ledger(folder)
    sent = {name: one for name, one in ledger.read().jobs.items() if name in names}
    open_ = [one.job for name, one in sent.items() if name not in finished]
    known: Mapping[str, Job] | None
    try:
        known, silence = jobs_of(open_), ""
    except UserError as error:
        known, silence = None, error.what
    found = []
    for name in (one for one in names if one in sent):
        job, log = sent[name].job, ledger.log_of(sent[name])
        if name in finished:
            found.append(OnQueue(name, "finished", job, "", log))
        elif known is None:
            found.append(OnQueue(name, "unknown", job, silence, log))
        else:
            found.append(_open(name, job, known.get(job), log))
    return found


def _open(name: str, job: str, state: Job | None, log: Path) -> OnQueue:
    if state is None or not state.alive or state.waits_in_vain:
        return OnQueue(name, "failed", job, why_failed(state, log), log)
    if state.runs:
        return OnQueue(name, "running", job, "", log)
    reason = "" if state.reason == "None" else state.reason
    return OnQueue(name, "queued", job, reason, log)


def _speaks_of_memory(text: str) -> bool:
    return any(word in text.lower() for word in _MEMORY)
