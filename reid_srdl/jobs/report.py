"""Gathers what a report shows: records, epochs, ranks, studies, comparisons, images."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_srdl.config import PLACES, resolve
from reid_srdl.config.fingerprint import changed_keys
from reid_srdl.errors import UserError
from reid_srdl.jobs.pictures import Files, files_of, shown_lists
from reid_srdl.jobs.studies.asked import asked_plan, found_runs
from reid_srdl.methods import KNOWN
from reid_srdl.records.comparison import Settings, compare
from reid_srdl.records.kept_ranks import ranks_file, read_ranks
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.naming import show
from reid_srdl.records.per_query import read_results
from reid_srdl.records.rank_choice import Choice
from reid_srdl.records.run import AnyRecord, RunRecord
from reid_srdl.records.store import RECORD, read_with_evaluations, run_folders
from reid_srdl.records.studies import gather as gather_study
from reid_srdl.report.comparison import comparison_table, verdict
from reid_srdl.report.html.boards import gains_section, leaderboard_section
from reid_srdl.report.html.origins import commands_section, machines_section, settings_section
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.queries import queries_section
from reid_srdl.report.html.runs import Entry, ReportRun, entries
from reid_srdl.report.html.training import curves_section
from reid_srdl.report.rank_lists import Shown
from reid_srdl.report.study import study_tables
from reid_srdl.report.study_export import study_json
from reid_srdl.report.verdicts import verdict_table
from reid_srdl.texts import json_text
from reid_srdl.training.monitor import EpochRow

_LISTS = 20  # rank lists of a page, all runs together
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Asked:
    """What the page shows.

    Attributes:
        runs: folders of runs, or trees of them.
        studies: names or files.
        pairs: runs that are compared, A with B.
        lists: how many of the worst queries of each row are shown.
        command: what was typed.
    """

    runs: Sequence[Path]
    studies: Sequence[str] = ()
    pairs: Sequence[tuple[Path, Path]] = ()
    lists: int = 3
    command: str = "reid-srdl report"


def report_sections(
    asked: Asked, steps: Progress | None = None
) -> tuple[str, list[Section], list[str]]:
    """Returns what the page says of itself, its sections, and notes of what is left out.

    Raises:
        UserError: no finished run; or what `compare` and studies raise.
    """
    runs, notes = _read(asked.runs, steps or (lambda what, done, total: None))
    board = leaderboard([run.record for run in runs])
    found = entries(board, runs)
    sections: list[Section | None] = [leaderboard_section(board), gains_section(board)]
    sections += [_compared(a, b, number) for number, (a, b) in enumerate(asked.pairs, 1)]
    for number, name in enumerate(asked.studies, 1):
        study, told = _study(name, asked.runs, number)
        sections.append(study)
        notes += told
    sections += [curves_section(found), queries_section(found)]
    lists, told = _lists(found, asked.lists)
    notes += told
    sections += [lists, settings_section(runs), machines_section(runs)]
    sections.append(commands_section(runs, asked.command))
    now = datetime.datetime.now(datetime.UTC)
    about = f"{len(runs)} runs, {len(board.rows)} rows; made on {now:%Y-%m-%d at %H:%M} UTC."
    return about, [one for one in sections if one is not None], notes


def _read(places: Sequence[Path], steps: Progress) -> tuple[list[ReportRun], list[str]]:
    """Reads the finished runs, each once, and tells what is left out."""
    folders = list(dict.fromkeys(folder for place in places for folder in _folders(place)))
    runs: list[ReportRun] = []
    notes: list[str] = []
    unfinished = 0
    for number, folder in enumerate(folders, 1):
        steps("reading runs", number, len(folders))
        if not (folder / RECORD).exists():
            unfinished += 1
            notes += [f"{folder}: without a record, so not finished (left out)"] * (unfinished <= 5)
            continue
        try:
            record = read_with_evaluations(folder)
        except UserError as error:
            notes.append(f"{error.what} (left out)")
            continue
        runs.append(_run(folder, record, notes))
    if unfinished > 5:
        notes.append(f"and {unfinished - 5:,} more without a record")
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


def _run(folder: Path, record: AnyRecord, notes: list[str]) -> ReportRun:
    """Returns a run with its epochs and ranks; what is damaged is left out and told."""
    ranks = None
    if record.evaluations and record.result is not None:
        try:
            ranks = read_ranks(ranks_file(folder, record.evaluations[0]))
        except UserError as error:
            notes.append(f"{error.what} (no rank lists)")
    epochs: tuple[EpochRow, ...] = ()
    metrics = folder / "metrics.jsonl"
    if metrics.is_file():
        try:
            told = metrics.read_text(encoding="utf-8").splitlines()
            epochs = tuple(EpochRow.model_validate_json(line) for line in told)
        except (OSError, ValueError):
            notes.append(f"{metrics}: damaged (no curves)")
    return ReportRun(folder, record, epochs, ranks, _command(record))


def _command(record: AnyRecord) -> str:
    """Returns the command that trains a run again: every key that differs from its default."""
    if not isinstance(record, RunRecord):
        return ""
    try:
        config = resolve(dict(record.config), KNOWN)
    except UserError:
        return ""
    keys = {key: value for key, value in changed_keys(config) if key not in PLACES}
    words = ["reid-srdl", "train"]
    named = {
        "--dataset": "data.name",
        "--model": "model.name",
        "--method": "method.name",
        "--seed": "train.seed",
    }
    for flag, key in named.items():
        value = keys.pop(key, None)
        if value is not None:
            words += [flag, show(value)]
    keys.pop("recipe.name", None)
    for key, value in keys.items():
        words += ["--set", f"{key}={show(value)}"]
    return shlex.join([*words, "--name", record.name])


def _compared(a: Path, b: Path, number: int) -> Section:
    comparison = compare(read_results(a), read_results(b), Settings())
    tree = {"verdict": verdict(comparison), **comparison.model_dump(mode="json")}
    return Section(
        f"compare-{number}",
        "Comparison",
        f"A: {comparison.a}; B: {comparison.b}.",
        tables=[comparison_table(comparison)],
        exact=[("The same numbers to the last digit (compare --json)", json_text(tree))],
        notes=comparison.warnings,
    )


def _study(name: str, places: Sequence[Path], number: int) -> tuple[Section, list[str]]:
    plan = asked_plan(name, 1.0, None, None)
    found, notes = found_runs(plan, places[0])
    results = gather_study(plan, found)
    tables = [*study_tables(results), *([verdict_table(results)] if results.verdicts else [])]
    exact = json_text(study_json(results))
    section = Section(
        f"study-{number}",
        f"Study: {plan.study.title}",
        tables=tables,
        exact=[("The same numbers to the last digit (study show --format json)", exact)],
    )
    return section, notes


def _lists(found: Sequence[Entry], count: int) -> tuple[Section | None, list[str]]:
    """Returns the worst queries of each row's first run, at most 20 in all."""
    lists, notes, left = [], [], _LISTS
    for entry in found:
        run = next((run for run in entry.runs if run.ranks is not None), None)
        if run is None or run.ranks is None or not min(count, left):
            continue
        files = _files(run)
        own, told = shown_lists(run.ranks, Choice(count=min(count, left)), files)
        lists += [_titled(run, shown) for shown in own]
        notes += told
        left -= len(own)
    if not lists:
        return None, notes
    intro = (
        "The queries of lowest average precision. Green: the same person by another camera; red: "
        "another person; grey, without a rank: the same person by the same camera, which does not "
        "count. Below an image: rank, camera and distance."
    )
    return Section("lists", "Rank lists", intro, lists=lists), notes


def _titled(run: ReportRun, shown: Shown) -> Shown:
    return replace(shown, title=f"{run.record.name}, {shown.title}")


def _files(run: ReportRun) -> Files:
    if run.ranks is None or not isinstance(run.record, RunRecord):
        return Files()
    return files_of(run.folder, run.ranks, run.record.evaluations[0].data)
