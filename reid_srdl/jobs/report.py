"""Gathers what a report shows: records, epochs, ranks, studies, comparisons, images."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_srdl.jobs.pictures import Listings, shown_lists
from reid_srdl.jobs.report_maps import maps_section
from reid_srdl.jobs.report_runs import Progress, files_of_run, read_runs
from reid_srdl.jobs.studies.asked import asked_plan, found_runs
from reid_srdl.records.comparison import Settings, compare
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.per_query import read_results
from reid_srdl.records.rank_choice import Choice
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

_LISTS = 20  # rank lists of a page, all runs together


@dataclass(frozen=True)
class Asked:
    """What the page shows.

    Attributes:
        runs: folders of runs, or trees of them.
        studies: names or files.
        pairs: runs that are compared, A with B.
        lists: how many of the worst queries of each row are shown.
        maps: of how many of the worst queries of each data set it is shown where networks look.
        command: what was typed.
    """

    runs: Sequence[Path]
    studies: Sequence[str] = ()
    pairs: Sequence[tuple[Path, Path]] = ()
    lists: int = 3
    maps: int = 0
    command: str = "reid-srdl report"


def report_sections(
    asked: Asked, steps: Progress | None = None
) -> tuple[str, list[Section], list[str]]:
    """Returns what the page says of itself, its sections, and notes of what is left out.

    Raises:
        UserError: no finished run; or what `compare` and studies raise.
    """
    steps = steps or (lambda what, done, total: None)
    runs, notes = read_runs(asked.runs, steps)
    board = leaderboard([run.record for run in runs])
    found = entries(board, runs)
    sections: list[Section | None] = [leaderboard_section(board), gains_section(board)]
    sections += [_compared(a, b, number) for number, (a, b) in enumerate(asked.pairs, 1)]
    for number, name in enumerate(asked.studies, 1):
        study, told = _study(name, asked.runs, number)
        sections.append(study)
        notes += told
    sections += [curves_section(found), queries_section(found)]
    known: Listings = {}
    lists, told = _lists(found, asked.lists, known)
    maps, gone = maps_section(found, asked.maps, steps, known)
    notes += [*told, *gone]
    sections += [lists, maps, settings_section(runs), machines_section(runs)]
    sections.append(commands_section(runs, asked.command))
    now = datetime.datetime.now(datetime.UTC)
    counts = f"{_counted(len(runs), 'run')}, {_counted(len(board.rows), 'row')}"
    about = f"{counts}; made on {now:%Y-%m-%d at %H:%M} UTC."
    return about, [one for one in sections if one is not None], notes


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _compared(a: Path, b: Path, number: int) -> Section:
    comparison = compare(read_results(a), read_results(b), Settings())
    tree = {"verdict": verdict(comparison), **comparison.model_dump(mode="json")}
    return Section(
        f"compare-{number}",
        "Comparison",
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


def _lists(found: Sequence[Entry], count: int, known: Listings) -> tuple[Section | None, list[str]]:
    """Returns the worst queries of each row's first run, at most 20 in all."""
    lists, notes, left = [], [], _LISTS
    for entry in found:
        if not min(count, left) or not entry.runs:
            continue
        run = entry.runs[0]
        kept = run.ranks(entry.dataset)
        if kept is None:
            continue
        files = files_of_run(run, entry.dataset, kept, known)
        own, told = shown_lists(kept, Choice(count=min(count, left)), files)
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
