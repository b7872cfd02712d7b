"""Runs what a study lacks: durable runs, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import filelock

from reid_srdl.errors import UserError
from reid_srdl.files import write_json
from reid_srdl.jobs.slurm.asked import Wanted
from reid_srdl.jobs.slurm.follow import QueueListener, conduct_on_slurm
from reid_srdl.jobs.slurm.queue import check_there
from reid_srdl.jobs.studies.conduct import Where, conduct, is_held
from reid_srdl.jobs.studies.reading import reader_of
from reid_srdl.places import writing
from reid_srdl.records.studies.match import FoundRun, foreign_runs, study_folder
from reid_srdl.records.studies.plan import Plan
from reid_srdl.records.studies.progress import Outcome
from reid_srdl.version import __version__

_MANIFEST = "study.json"


def run_study(
    plan: Plan,
    found: Mapping[str, FoundRun],
    where: Where,
    listener: QueueListener,
    wanted: Wanted | None = None,
) -> list[Outcome]:
    """Trains every run of a plan that is not finished; a study that was stopped goes on.

    Args:
        plan: the runs, teachers first.
        found: the finished ones, by `records.studies.match`.
        where: folders and devices.
        listener: told of the progress.
        wanted: what each run gets as a job of SLURM; None: they are trained on this machine.

    Returns:
        What became of each run, in the plan's order.

    Raises:
        UserError: the study's folder holds runs of another configuration or another study,
            another process runs this study, or a budget cannot be met.
        KeyboardInterrupt: its processes have been stopped before.
    """
    folder = study_folder(where.runs, plan)
    found = _with_weights(plan, found)
    if others := foreign_runs(plan, where.runs, found, reader_of(plan)):
        raise UserError(
            f"{plan.study.name}: holds a run of another configuration: "
            + ", ".join(map(str, others)),
            "move these folders away, or choose another --runs",
        )
    if wanted is not None:
        check_there()  # before anything is written
    if any(is_held(run) for run in plan.runs if run.name not in found):
        from reid_srdl.jobs.studies.before import check_budgets  # it loads torch

        check_budgets(plan, found, where, listener)
    with _locked(folder):
        write_json(folder / _MANIFEST, _manifest(plan), "what the study is")
        there = {name: one.folder for name, one in found.items()}
        if wanted is not None:
            return conduct_on_slurm(plan.runs, there, where, folder, wanted, listener)
        return conduct(plan.runs, there, where, folder, listener)


def _with_weights(plan: Plan, found: Mapping[str, FoundRun]) -> dict[str, FoundRun]:
    """Leaves out teachers that are needed and of which there is a record alone."""
    needed = {run.teacher for run in plan.runs if run.name not in found}
    return {
        name: run
        for name, run in found.items()
        if name not in needed or (run.folder / "weights").is_dir()
    }


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    with writing(folder, "the study's folder"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise UserError(
                f"{folder}: another process runs this study", "wait for it to end, or stop it"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _manifest(plan: Plan) -> dict[str, object]:
    """Returns what a study's folder says of itself."""
    return {
        "study": plan.study.name,
        "scale": plan.scale,
        "rehearsal": plan.scale != 1,
        "reid_srdl": __version__,
    }
