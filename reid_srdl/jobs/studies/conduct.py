"""Several runs at once, each a process of its own; if one fails, the rest go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from reid_srdl.config import AnyConfig, DataConfig, sets_of
from reid_srdl.data import find_entry
from reid_srdl.data.locate import locate
from reid_srdl.errors import FileError, UserError
from reid_srdl.jobs.sharing import with_store
from reid_srdl.jobs.studies.content import placed_data
from reid_srdl.jobs.studies.process import RunProcess
from reid_srdl.methods import KNOWN
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.studies.plan import RunPlan, with_teacher
from reid_srdl.records.studies.progress import Outcome, Running

_POLL = 0.2  # seconds between two looks at the processes
_PATIENCE = 30.0  # seconds until a run that was asked to stop is killed

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
        logs: folder of what they say, below their own.
        share: phases that several runs need are done once, see `records.phase_store`.
    """

    runs: Path
    data_dir: DataDirs
    device: str | None = None
    precision: str | None = None
    compile: bool | None = None
    threads: int | None = None
    jobs: int = 1
    logs: str = "logs"
    share: bool = True


def is_held(run: RunPlan) -> bool:
    """Returns whether a run has a budget, or a number of images, that may not be met."""
    return run.config.train.budget != "own" or run.config.data.images is not None


class StudyListener(Protocol):
    """Hears how a study goes."""

    def planned(self, done: int, total: int) -> None:
        """So many of ``total`` runs have been planned before any begins."""

    def begins(self, runs: Sequence[RunPlan], there: int) -> None:
        """These runs are to do, ``there`` more are finished already."""

    def started(self, run: RunPlan) -> None:
        """A run's process was started."""

    def ended(self, outcome: Outcome, process: Running | None = None) -> None:
        """A run is over; its process, where it had one, can still be asked."""

    def works(self, running: Sequence[Running]) -> None:
        """Called several times a second while runs go on."""


def conduct(
    runs: Sequence[RunPlan],
    found: Mapping[str, Path],
    where: Where,
    folder: Path,
    listener: StudyListener,
) -> list[Outcome]:
    """Trains runs that are not finished.

    Args:
        runs: teachers first.
        found: the folders of the finished ones, by name.
        where: places and devices.
        folder: where the runs' folders stand.
        listener: told of the progress.

    Returns:
        What became of each run, in their order.

    Raises:
        KeyboardInterrupt: the processes have been stopped before.
    """
    return _Conductor(runs, found, where, folder, listener).conduct()


class _Conductor:
    """Keeps as many runs going as there may be."""

    def __init__(
        self,
        runs: Sequence[RunPlan],
        found: Mapping[str, Path],
        where: Where,
        folder: Path,
        listener: StudyListener,
    ) -> None:
        self._runs, self._where, self._folder, self._listener = runs, where, folder, listener
        self._outcomes = {
            run.name: Outcome(run, "there", found[run.name]) for run in runs if run.name in found
        }
        self._waiting = [run for run in runs if run.name not in found]
        self._running: dict[str, RunProcess] = {}
        self._missing = MissingData(where.data_dir)

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
        return [self._outcomes[run.name] for run in self._runs]

    def _start(self) -> None:
        for run in list(self._waiting):
            teacher = None if run.teacher is None else self._outcomes.get(run.teacher)
            if run.teacher is not None and teacher is None:
                continue  # it is still trained
            if teacher is not None and teacher.state == "failed":
                self._end(run, "failed", f"its teacher {run.teacher} failed")
            elif (error := self._missing.of(run.config.data)) is not None:
                self._end(run, "failed", error)
            elif len(self._running) < self._where.jobs:
                taught_by = None if teacher is None else teacher.folder
                self._begin(run, placed(run, self._where, self._folder, taught_by))

    def _begin(self, run: RunPlan, config: AnyConfig) -> None:
        log = self._folder / self._where.logs / f"{run.name}.log"
        try:
            self._running[run.name] = RunProcess(run.name, config, log)
        except FileError as error:
            self._end(run, "failed", error.what)
            return
        self._waiting.remove(run)
        self._listener.started(run)

    def _collect(self) -> None:
        by_name = {run.name: run for run in self._runs}
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


def placed(run: RunPlan, where: Where, folder: Path, teacher: Path | None = None) -> AnyConfig:
    """Returns the run's configuration with its places; one that goes on keeps its machine's.

    Args:
        run: as planned.
        where: places and devices.
        folder: where the runs' folders stand.
        teacher: the folder of the finished run that teaches it; None: as configured.
    """
    config = run.config if teacher is None else with_teacher(run.config, teacher.resolve())
    train = {
        "device": where.device or config.train.device,
        "precision": where.precision or config.train.precision,
        "threads": where.threads or config.train.threads,
        "compile": config.train.compile if where.compile is None else where.compile,
    }
    begun = RunFolder(folder / run.name)
    if begun.config.exists():
        before = begun.read_config(KNOWN).train
        train |= {key: getattr(before, key) for key in ("precision", "threads", "compile")}
    config = with_store(config, on=where.share, runs=where.runs)
    return config.model_copy(
        update={
            "data": placed_data(config.data, where.data_dir),
            "train": config.train.model_copy(update=train),
            "run": config.run.model_copy(update={"dir": folder, "name": run.name}),
        }
    )


class MissingData:
    """Says which data sets are not there, each looked for once."""

    def __init__(self, data_dir: DataDirs) -> None:
        self._data_dir = data_dir
        self._errors: dict[str, str | None] = {}

    def of(self, data: DataConfig) -> str | None:
        """Returns why a run's data set cannot be had, None where it can."""
        name = data.name
        if name not in self._errors:
            self._errors[name] = None
            try:
                for one, place in sets_of(placed_data(data, self._data_dir)):
                    locate(find_entry(one), place)
            except UserError as error:
                self._errors[name] = f"{error.what} ({error.hint})"
        return self._errors[name]
