"""Which finished runs are a study's: by what they computed, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_srdl.config import AnyConfig, DataConfig, fingerprint, read_yaml
from reid_srdl.errors import UserError
from reid_srdl.records.joint import by_set
from reid_srdl.records.metrics import Result
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import CONFIG, RECORD, read_any_record, run_folders
from reid_srdl.records.studies.plan import MACHINE, Plan, RunPlan, run_key, with_teacher

ReadConfig = Callable[[Mapping[str, Any]], AnyConfig]
ContentOf = Callable[[DataConfig], tuple[str, str] | None]  # digests of train and test, if known


@dataclass(frozen=True)
class FoundRun:
    """A finished run and its folder."""

    folder: Path
    record: RunRecord
    config: AnyConfig

    @property
    def sets(self) -> tuple[str, ...]:
        """The data sets that the run is judged on, where they are several."""
        return tuple(part.name for part in self.record.dataset.parts)

    def result(self, name: str | None, dataset: str | None = None) -> Result | None:
        """Returns one of the run's results, by default the run's own; None where it has none.

        Args:
            name: of the network; None: the run's own.
            dataset: of a run that is judged on several, which; None: the first.
        """
        seen = {record.dataset.name: record for record in by_set(self.record)}
        record = self.record if dataset is None else seen.get(dataset)
        if record is None or not record.evaluations:
            return None
        return record.result if name is None else record.results.get(name)


def study_folder(runs: Path, plan: Plan) -> Path:
    """Returns the folder of a study's own runs."""
    return runs / "studies" / plan.folder_name


def finished_runs(runs: Path, read_config: ReadConfig) -> tuple[list[FoundRun], list[str]]:
    """Reads every finished run at or below a folder; what was made elsewhere is none.

    Args:
        runs: the folder; it may be missing.
        read_config: turns a record's configuration back into one.

    Returns:
        The runs, in the order of their paths, and a line for each record that cannot be read.
    """
    found, problems = [], []
    for folder in run_folders(runs):
        if not (folder / RECORD).exists():
            continue
        try:
            record = read_any_record(folder)
            if not isinstance(record, RunRecord):
                continue
            found.append(FoundRun(folder, record, read_config(record.config)))
        except UserError as error:
            problems.append(f"{folder}: {error.what.removeprefix(f'{folder}: ')} (left out)")
    return found, problems


def match(
    plan: Plan, runs: Path, finished: Iterable[FoundRun], content_of: ContentOf | None = None
) -> dict[str, FoundRun]:
    """Returns the finished run of each planned run, by the plan's names.

    Any finished run below ``runs`` counts that computed the same from the same seed: the study's
    own folder goes before others, there the newest. Of a run that was taught by another cell's run
    the record holds the teacher's name, which must be that run's. All runs on one data set are of
    one content: that of the study's data, or where nobody knows it of the first run that counts.

    Args:
        plan: the study's runs.
        runs: the folder of all runs.
        finished: the finished ones.
        content_of: tells the content of a configuration's data where they stand now.
    """
    own = study_folder(runs, plan).resolve()
    ranked = sorted(
        finished,
        key=lambda run: (run.folder.resolve().parent == own, run.record.created),
        reverse=True,
    )
    ranked = _of_one_content(plan, ranked, content_of)
    by_key: dict[tuple[str, int], list[FoundRun]] = {}
    for run in ranked:
        by_key.setdefault((run_key(run.config), run.record.seed), []).append(run)
    taught = [run for run in ranked if getattr(run.config.method, "teacher", None) is not None]
    found: dict[str, FoundRun] = {}
    for wanted in plan.runs:  # teachers come first
        candidates = by_key.get((wanted.key, wanted.seed), [])
        if wanted.teacher is not None:
            teachers = {wanted.teacher}
            if wanted.teacher in found:
                teachers.add(found[wanted.teacher].record.name)
            candidates = [run for run in taught if _is_taught(run, wanted, teachers)]
        chosen = (run for run in candidates if all(run.result(name) for name in wanted.results))
        if (best := next(chosen, None)) is not None:
            found[wanted.name] = best
    return found


def _of_one_content(
    plan: Plan, ranked: Iterable[FoundRun], content_of: ContentOf | None
) -> list[FoundRun]:
    """Leaves out runs on another content than the study's; of each data set and split one counts.

    Runs that are no run of the study decide nothing.
    """
    wanted: dict[tuple[str, int], tuple[str, str] | None] = {}
    keys = {run.key for run in plan.runs}
    kept = []
    for run in ranked:
        data = (run.config.data.name, run.config.data.split)
        if data not in wanted and content_of is not None and (known := content_of(run.config.data)):
            wanted[data] = known
        if data not in wanted and run_key(run.config) in keys:
            wanted[data] = _content(run)
        if data not in wanted or wanted[data] == _content(run):
            kept.append(run)
    return kept


def _content(run: FoundRun) -> tuple[str, str] | None:
    known = run.record.dataset.content
    return None if known is None else (known.train, known.test)


def _is_taught(run: FoundRun, wanted: RunPlan, teachers: Collection[str]) -> bool:
    """Says whether a run is the wanted one, and was taught by a run of one of these names."""
    if run.record.seed != wanted.seed:
        return False
    if Path(getattr(run.config.method, "teacher", "")).name not in teachers:
        return False
    anyone = "anyone"
    ours, theirs = (run_key(config, taught_by=anyone) for config in (wanted.config, run.config))
    return ours == theirs


def foreign_runs(
    plan: Plan, runs: Path, found: Mapping[str, FoundRun], read_config: ReadConfig
) -> list[Path]:
    """Returns the folders in a study's folder that bear a planned run's name but hold another.

    Args:
        plan: the study's runs.
        runs: the folder of all runs.
        found: the planned runs that are finished.
        read_config: turns a folder's configuration back into one.
    """
    folder, others = study_folder(runs, plan), []
    for run in plan.runs:
        begun = folder / run.name
        if run.name in found or not (begun / CONFIG).exists():
            continue
        theirs = read_config(read_yaml(begun / CONFIG))
        ours = run.config
        if run.teacher is not None:
            ours = with_teacher(ours, teacher_folder(run.teacher, folder, found))
        if fingerprint(theirs, without=MACHINE) != fingerprint(ours, without=MACHINE):
            others.append(begun)
    return others


def teacher_folder(teacher: str, folder: Path, found: Mapping[str, FoundRun]) -> Path:
    """Returns where a teacher's run stands, or will stand: in the study's folder."""
    return (found[teacher].folder if teacher in found else folder / teacher).resolve()
