"""``reid-srdl leaderboard``: the table of all finished runs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reid_srdl.records.run import AnyRecord
    from reid_srdl.report.tables import Table

EXAMPLE = "Example: reid-srdl leaderboard runs --dataset market1501 --format latex"


class Format(StrEnum):
    """How the leaderboard is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


def leaderboard(
    runs: Annotated[
        Path, typer.Argument(help="Folder of runs, one run, or a tree such as results/.")
    ] = Path("runs"),
    form: Annotated[
        Format,
        typer.Option("--format", help="json and csv hold raw fractions.", rich_help_panel="Output"),
    ] = Format.TABLE,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Only this data set; default: all.", metavar="NAME", rich_help_panel="Selection"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write to this file; default: standard output.",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ] = None,
) -> None:
    """Compare finished runs: Rank-1 and mAP (%), parameters, cost, gains over vanilla.

    Runs that differ only in their seed are averaged: mean ± sample standard deviation (number of
    seeds). TrCost is multiply-accumulates of one forward pass x epochs x images, in 10^16; work
    counts backward passes, too. Features from elsewhere (reid-srdl eval --features FILE --name
    NAME) stand below the runs that were judged on the same test images.
    """
    from reid_srdl.records.leaderboard import leaderboard as rank
    from reid_srdl.records.store import read_records
    from reid_srdl.report.leaderboard import leaderboard_tables
    from reid_srdl.report.say import save, tell

    records, problems = read_records(runs)
    board = rank(_select(records, dataset, runs))
    tables = leaderboard_tables(board)
    notes = board.notes if form in (Format.JSON, Format.CSV) else ()
    for line in (*problems, *notes):
        tell(f"note: {line}")
    if output is None:
        sys.stdout.write(_text(tables, form, to_terminal=True))
    else:
        save(output, _text(tables, form, to_terminal=False), "the leaderboard")


def _select(records: Sequence[AnyRecord], dataset: str | None, runs: Path) -> Sequence[AnyRecord]:
    from reid_srdl.errors import UserError, did_you_mean

    if dataset is None:
        return records
    known = {record.dataset.name for record in records}
    if dataset not in known:
        what = f"--dataset {dataset}: no finished run in {runs} is of it"
        raise UserError(what, did_you_mean(dataset, known), usage=True)
    return [record for record in records if record.dataset.name == dataset]


def _text(tables: Sequence[Table], form: Format, *, to_terminal: bool) -> str:
    from reid_srdl.report import render
    from reid_srdl.report.say import drawn

    match form:
        case Format.JSON:
            return render.to_json(tables)
        case Format.CSV:
            return render.to_csv(tables)
        case Format.MARKDOWN:
            return render.to_markdown(tables)
        case Format.LATEX:
            return render.to_latex(tables)
        case Format.TABLE:
            return drawn(tables, to_terminal=to_terminal)
