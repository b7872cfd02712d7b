"""Reads runs for a report: records at once, epochs and ranks when they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.pictures import Files, Listings, files_of
from reid_srdl.jobs.report_commands import training_command
from reid_srdl.records.kept_ranks import ranks_file, read_ranks
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.run import AnyRecord, RunRecord
from reid_srdl.records.store import (
    RECORD,
    read_with_evaluations,
    run_folders,
    without_queries,
)
from reid_srdl.report.html.runs import Entry, ReportRun, entries, evaluated_on, summaries
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.training.monitor import EpochRow

Progress = Callable[[str, int, int], None]
_NAMED = 5  # runs without a record that are named


def read_entries(
    places: Sequence[Path], steps: Progress | None = None
) -> tuple[list[Entry], list[str]]:
    """Reads the runs whose epochs are known, by the leaderboard's rows, and notes.

    Raises:
        UserError: no finished run, or none with its epochs.
    """
    runs, notes = read_runs(places, steps or (lambda what, done, total: None))
    trained = [run for run in runs if run.epochs()]
    if not trained:
        what = f"{', '.join(map(str, places))}: no run with its epochs (metrics.jsonl)"
        raise UserError(what, "name runs that were trained here")
    return entries(leaderboard([run.record for run in trained]), trained), notes


def read_runs(places: Sequence[Path], steps: Progress) -> tuple[list[ReportRun], list[str]]:
    """Reads the finished runs, each once, and tells what is left out.

    Raises:
        UserError: no such folder, or no finished run.
    """
    folders = list(dict.fromkeys(folder for place in places for folder in _folders(place)))
    runs: list[ReportRun] = []
    notes: list[str] = []
    unfinished = 0
    for number, folder in enumerate(folders, 1):
        steps("reading runs", number, len(folders))
        if not (folder / RECORD).exists():
            unfinished += 1
            notes += [f"{folder}: without a record, so not finished (left out)"] * (
                unfinished <= _NAMED
            )
            continue
        try:
            record = read_with_evaluations(folder)
        except UserError as error:
            notes.append(f"{error.what} (left out)")
            continue
        runs.append(_run(folder, record, notes))
    if unfinished > _NAMED:
        notes.append(f"and {unfinished - _NAMED:,} more without a record")
    if not runs:
        told = f": {'; '.join(notes)}" if notes else ""
        raise UserError(
            f"{', '.join(map(str, places))}: no finished run{told}",
            "train one with reid-srdl train, or name the folder that holds your runs",
        )
    return runs, notes


def _folders(place: Path) -> Iterator[Path]:
    if not place.exists():
        raise UserError(f"{place}: no such folder", "name the folder that holds your runs")
    yield from run_folders(place.parent if place.name == RECORD else place)


def _run(folder: Path, whole: AnyRecord, notes: list[str]) -> ReportRun:
    """Returns a run; what it kept is read when it is shown, and told where it is damaged."""

    record, queries = without_queries(whole), summaries(whole)

    def told(line: str) -> None:
        if line not in notes:
            notes.append(line)

    def ranks(dataset: str) -> KeptRanks | None:
        one = evaluated_on(record, dataset)
        if one is None:
            return None
        try:
            return read_ranks(ranks_file(folder, one))
        except UserError as error:
            told(f"{error.what} (no rank lists)")
            return None

    @cache
    def epochs() -> tuple[EpochRow, ...]:
        metrics = folder / "metrics.jsonl"
        if not metrics.is_file():
            return ()
        try:
            lines = metrics.read_text(encoding="utf-8").splitlines()
            return tuple(EpochRow.model_validate_json(line) for line in lines)
        except (OSError, ValueError):
            told(f"{metrics}: damaged (no curves)")
            return ()

    return ReportRun(folder, record, queries, epochs, ranks, training_command(record))


def files_of_run(run: ReportRun, dataset: str, kept: KeptRanks, known: Listings) -> Files:
    """Finds the images of a run's evaluation on a data set; ``known``: data that were listed."""
    one = run.evaluated(dataset)
    if one is None or not isinstance(run.record, RunRecord):
        return Files()
    return files_of(run.folder, kept, one.data, known=known)
