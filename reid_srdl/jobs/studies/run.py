"""Runs what a study lacks: durable runs, several at once; if one fails, the rest go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import filelock

from reid_srdl.config import AnyConfig
from reid_srdl.data import find_entry
from reid_srdl.data.locate import locate
from reid_srdl.errors import UserError
from reid_srdl.files import write_json
from reid_srdl.jobs.studies.process import RunProcess
from reid_srdl.jobs.studies.reading import reader_of
from reid_srdl.methods import KNOWN
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.studies.match import FoundRun, foreign_runs, study_folder
from reid_srdl.records.studies.plan import Plan, RunPlan, with_teacher
from reid_srdl.records.studies.progress import Outcome, Running
from reid_srdl.version import __version__

_POLL = 0.2  # seconds between two looks at the processes
_PATIENCE = 30.0  # seconds until a run that was asked to stop is killed
_MANIFEST = "study.json"

DataDirs = Callable[[str], Path | None]


@dataclass(frozen=True)
class Where:
    """Where a study's runs happen.

    Attributes:
        runs: folder of all runs; the study's own stand in ``runs/studies/NAME``.
        data_dir: the folder of each data set by its name.
        device, precision, compile: as ``reid-srdl train`` takes them; None is as the study's keys
            say.
        threads: CPU threads of each run; None: all cores.
        jobs: runs at once.
    """

    runs: Path
    data_dir: DataDirs
    device: str | None = None
    precision: str | None = None
    compile: bool | None = None
    threads: int | None = None
    jobs: int = 1


class StudyListener(Protocol):
    """Hears how a study goes."""

    def begins(self, runs: Sequence[RunPlan], there: int) -> None:
        """These runs are to do, ``there`` more are finished already."""

    def started(self, run: RunPlan) -> None:
        """A run's process was started."""

    def ended(self, outcome: Outcome, process: Running | None = None) -> None:
        """A run is over; its process, where it had one, can still be asked."""

    def works(self, running: Sequence[Running]) -> None:
        """Called several times a second while runs go on."""


def run_study(
    plan: Plan, found: Mapping[str, FoundRun], where: Where, listener: StudyListener
) -> list[Outcome]:
    """Trains every run of a plan that is not finished; a study that was stopped goes on.

    Args:
        plan: the runs, teachers first.
        found: the finished ones, by `records.studies.match`.
        where: folders and devices.
        listener: told of the progress.

    Returns:
        What became of each run, in the plan's order.

    Raises:
        UserError: the study's folder holds runs of another configuration or another study, or
            another process runs this study.
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
    with _locked(folder):
        write_json(folder / _MANIFEST, _manifest(plan))
        return _Conductor(plan, found, where, folder, listener).conduct()


def _with_weights(plan: Plan, found: Mapping[str, FoundRun]) -> dict[str, FoundRun]:
    """Leaves out teachers that are needed and of which there is a record alone."""
    needed = {run.teacher for run in plan.runs if run.name not in found}
    return {
        name: run
        for name, run in found.items()
        if name not in needed or (run.folder / "weights").is_dir()
    }


class _Conductor:
    """Keeps as many runs going as there may be."""

    def __init__(
        self,
        plan: Plan,
        found: Mapping[str, FoundRun],
        where: Where,
        folder: Path,
        listener: StudyListener,
    ) -> None:
        self._plan, self._where, self._folder, self._listener = plan, where, folder, listener
        self._outcomes = {
            run.name: Outcome(run, "there", found[run.name].folder)
            for run in plan.runs
            if run.name in found
        }
        self._waiting = [run for run in plan.runs if run.name not in found]
        self._running: dict[str, RunProcess] = {}
        self._missing = _MissingData(where.data_dir)

    def conduct(self) -> list[Outcome]:
        self._listener.begins(self._waiting, len(self._outcomes))
        try:
            while self._waiting or self._running:
                self._start()
                time.sleep(_POLL if self._running else 0)
                self._collect()
                self._listener.works(list(self._running.values()))
        finally:
            self._stop()
        return [self._outcomes[run.name] for run in self._plan.runs]

    def _start(self) -> None:
        for run in list(self._waiting):
            teacher = None if run.teacher is None else self._outcomes.get(run.teacher)
            if run.teacher is not None and teacher is None:
                continue  # it is still trained
            if teacher is not None and teacher.state == "failed":
                self._end(run, "failed", f"its teacher {run.teacher} failed")
            elif (error := self._missing.of(run.config.data.name)) is not None:
                self._end(run, "failed", error)
            elif len(self._running) < self._where.jobs:
                config = self._placed(run, teacher)
                log = self._folder / "logs" / f"{run.name}.log"
                self._running[run.name] = RunProcess(run.name, config, log)
                self._waiting.remove(run)
                self._listener.started(run)

    def _collect(self) -> None:
        by_name = {run.name: run for run in self._plan.runs}
        for name, process in list(self._running.items()):
            if process.status is None:
                continue
            del self._running[name]
            if process.status == 0:
                self._end(by_name[name], "finished", process=process)
            else:
                error = f"{process.error()} (log: {process.log})"
                self._end(by_name[name], "failed", error, process)

    def _end(
        self,
        run: RunPlan,
        state: Literal["finished", "failed"],
        error: str = "",
        process: RunProcess | None = None,
    ) -> None:
        if run in self._waiting:
            self._waiting.remove(run)
        self._outcomes[run.name] = Outcome(run, state, self._folder / run.name, error)
        self._listener.ended(self._outcomes[run.name], process)

    def _stop(self) -> None:
        for process in self._running.values():
            process.ask_to_stop()
        for process in self._running.values():
            process.wait(_PATIENCE)

    def _placed(self, run: RunPlan, teacher: Outcome | None) -> AnyConfig:
        """Returns the run's configuration with its places; one that goes on keeps its machine's."""
        config = with_teacher(run.config, teacher.folder.resolve()) if teacher else run.config
        train = {
            "device": self._where.device or config.train.device,
            "precision": self._where.precision or config.train.precision,
            "threads": self._where.threads or config.train.threads,
            "compile": config.train.compile if self._where.compile is None else self._where.compile,
        }
        begun = RunFolder(self._folder / run.name)
        if begun.config.exists():
            before = begun.read_config(KNOWN).train
            train |= {key: getattr(before, key) for key in ("precision", "threads", "compile")}
        data = {"dir": self._where.data_dir(config.data.name)}
        return config.model_copy(
            update={
                "train": config.train.model_copy(update=train),
                "data": config.data.model_copy(update=data),
                "run": config.run.model_copy(update={"dir": self._folder, "name": run.name}),
            }
        )


class _MissingData:
    """Says which data sets are not there, each looked for once."""

    def __init__(self, data_dir: DataDirs) -> None:
        self._data_dir = data_dir
        self._errors: dict[str, str | None] = {}

    def of(self, dataset: str) -> str | None:
        """Returns why a data set cannot be had, None where it can."""
        if dataset not in self._errors:
            self._errors[dataset] = None
            try:
                locate(find_entry(dataset), self._data_dir(dataset))
            except UserError as error:
                self._errors[dataset] = f"{error.what} ({error.hint})"
        return self._errors[dataset]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
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
