"""``reid-srdl report``: everything about some runs in one HTML file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: reid-srdl report runs --study table4 --compare runs/vanilla runs/srdl"


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs, folders of runs, or trees such as results/; default: runs."),
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(metavar="STUDY", help="A study's tables, too; may be repeated."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two runs or per-query files, whose verdict is shown."),
    ] = None,
    lists: Annotated[
        int, typer.Option(min=0, metavar="N", help="Rank lists of each row: its N worst queries.")
    ] = 3,
    title: Annotated[str, typer.Option(help="Of the page.")] = "reid-srdl report",
    large: Annotated[
        bool, typer.Option("--large", help="Write the page even if it has more than 10 MiB.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file, .html.")
    ] = Path("report.html"),
) -> None:
    """Write one HTML file of runs: leaderboard, gains, curves, queries, rank lists, settings.

    The file asks for nothing else: it opens without a network, and can be mailed and printed.
    """
    from reid_srdl.jobs.report import Asked, report_sections
    from reid_srdl.report.html.writing import check_page, write_page
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell_all

    check_page(output)
    command = shlex.join(["reid-srdl", *sys.argv[1:]])
    pairs = [compare] if compare else []
    asked = Asked(runs or [Path("runs")], study or [], pairs, lists, command)
    with Display() as display:
        about, sections, notes = report_sections(asked, display.steps)
    write_page(output, title, about, sections, large=large)
    tell_all("note", notes)
    tell_all("written", [output])
