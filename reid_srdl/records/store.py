"""Records on disk: ``record.json`` in each run's folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.places import StrPath, as_path
from reid_srdl.records.evaluated import EvaluationsRecord
from reid_srdl.records.imported import by_evaluation, with_evaluations
from reid_srdl.records.joint import by_set
from reid_srdl.records.parse import parse, read_text, read_tree
from reid_srdl.records.run import (
    AnyRecord,
    FeaturesRecord,
    ImportedRecord,
    NetworkRecord,
    RunRecord,
)
from reid_srdl.records.write import write_evaluations

RECORD = "record.json"
CONFIG = "config.yaml"  # what a run's folder holds from its first moment
Steps = Callable[[str, int, int], None]
R = TypeVar("R", bound=EvaluationsRecord)
_FINISHED = "give the folder of a finished run"
_WHERE = "train one with reid-srdl train, or name the folder that holds your runs"


def write_record(folder: Path, record: AnyRecord) -> Path:
    """Writes ``folder/record.json``, whole or not at all, and returns its path."""
    path = folder / RECORD
    write_evaluations(path, record)
    return path


def read_record(folder: StrPath) -> RunRecord:
    """Reads the record of one run.

    Args:
        folder: the run's folder, or its ``record.json``.

    Raises:
        UserError: no such folder, an unfinished run, a network or features that were not made here,
            or a damaged or foreign record, or one of another version.

    >>> read_record("runs/small").model  # doctest: +SKIP
    'resnet18'
    """
    record = read_network_record(folder)
    if isinstance(record, ImportedRecord):
        raise UserError(
            f"{folder}: an imported network: nothing is known of its training",
            "give the folder of a run that was trained here",
        )
    return record


def read_network_record(folder: StrPath) -> NetworkRecord:
    """Reads the record of a run, or of a network that was imported.

    Args:
        folder: its folder, or its ``record.json``.

    Raises:
        UserError: as `read_record`, but for imported networks.
    """
    record = read_any_record(folder)
    if isinstance(record, FeaturesRecord):
        raise UserError(
            f"{folder}: features of other software, evaluated: there is no network in it",
            "give the folder of a run that was trained here",
        )
    return record


def read_any_record(folder: StrPath) -> AnyRecord:
    """Reads the record of a run, of an imported network, or of features that were not made here.

    Args:
        folder: its folder, or its ``record.json``.

    Raises:
        UserError: as `read_record`.
    """
    folder = as_path(folder)
    path = folder if folder.name == RECORD else folder / RECORD
    if path != folder and folder.is_file():
        raise UserError(f"{folder}: a file, not the folder of a run", _FINISHED)
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise _absent(folder, path) from None
    tree = read_tree(path, text)
    if "imported" in tree:
        return parse(path, text, ImportedRecord)
    if "method" in tree and tree["method"] is None:
        return parse(path, text, FeaturesRecord)
    return parse(path, text, RunRecord)


def read_records(
    runs: StrPath, *, queries: bool = True, steps: Steps | None = None
) -> tuple[list[AnyRecord], list[str]]:
    """Reads every record at or below a folder, in the order of their paths.

    Args:
        runs: a folder of runs, one run's folder, or a tree of such folders (``results/``).
        queries: keep the results of single queries, which tables do not show; of thousands of runs
            they are most of the memory.
        steps: is told how many runs have been read.

    Returns:
        The records, and the problems: one line for each record that could not be read, and one
        that counts the unfinished runs.

    Raises:
        UserError: no such folder, or no finished run in it.

    >>> records, problems = read_records("runs")  # doctest: +SKIP
    >>> [record.name for record in records]  # doctest: +SKIP
    ['large', 'small']
    """
    runs = as_path(runs)
    if not runs.is_dir():
        raise UserError(f"{runs}: no such folder", _WHERE)
    if (runs / RECORD).exists():
        return [read_with_evaluations(runs, queries=queries)], []
    records: list[AnyRecord] = []
    problems, unfinished = [], []
    folders = list(run_folders(runs))
    for number, folder in enumerate(folders, 1):
        if steps is not None:
            steps("reading runs", number, len(folders))
        if not (folder / RECORD).exists():
            unfinished.append(folder.name)
            continue
        try:
            records.append(read_with_evaluations(folder, queries=queries))
        except UserError as error:
            problems.append(f"{error.what} (left out)")
    if unfinished:
        count = f"{len(unfinished)} unfinished run{'s' if len(unfinished) > 1 else ''}"
        problems.append(f"{runs}: {count} left out: {', '.join(unfinished)}")
    if not records:
        found = f": {'; '.join(problems)}" if problems else ""
        raise UserError(f"{runs}: no finished run in it{found}", _WHERE)
    return records, problems


def read_with_evaluations(folder: Path, *, queries: bool = True) -> AnyRecord:
    """Reads a record; an imported network's with its later evaluations, which are all it has."""
    record = read_any_record(folder)
    if isinstance(record, ImportedRecord):
        record = with_evaluations(folder, record)
    return record if queries else without_queries(record)


def without_queries(record: R) -> R:
    """Returns a record that has let go of the results of single queries."""
    kept = (one.model_copy(update={"per_query": None}) for one in record.evaluations)
    return record.model_copy(update={"evaluations": tuple(kept)})


def of_dataset(records: Sequence[AnyRecord], name: str, runs: Path) -> list[AnyRecord]:
    """Returns the records of one data set, of runs on joint sets what they are on it.

    Raises:
        UserError: none below ``runs`` is of it.
    """
    by_name = [one for record in records for one in _by_data(record)]
    known = {record.dataset.name for record in by_name}
    if name not in known:
        what = f"--dataset {name}: no finished run in {runs} is of it"
        raise UserError(what, did_you_mean(name, known), usage=True)
    return [record for record in by_name if record.dataset.name == name]


def _by_data(record: AnyRecord) -> Sequence[AnyRecord]:
    if isinstance(record, ImportedRecord):
        return tuple(by_evaluation(record))
    return by_set(record) if isinstance(record, RunRecord) else (record,)


def run_folders(top: Path) -> Iterator[Path]:
    """Yields the folder of each run at or below ``top``, finished or not, by path."""
    for name, folders, files in os.walk(top):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        if RECORD in files or CONFIG in files:
            folders.clear()  # nothing below a run's folder is another run
            yield Path(name)


def _absent(folder: Path, path: Path) -> UserError:
    if not folder.exists():
        return UserError(f"{folder}: no such run", _FINISHED)
    if (folder / CONFIG).exists():
        return UserError(
            f"{folder}: the run is not finished", f"go on with reid-srdl train --resume {folder}"
        )
    return UserError(f"{path}: no such record", _FINISHED)
