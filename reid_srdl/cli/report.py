"""``reid-srdl report``: everything about some runs in one HTML file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from reid_srdl.shell.options import argument, option

EXAMPLE = "Example: reid-srdl report runs --study table4 --compare runs/vanilla runs/srdl"


def report(
    runs: Annotated[
        list[Path] | None,
        argument("Runs, or folders that hold runs at any depth; default: runs."),
    ] = None,
    study: Annotated[
        list[str] | None, option(None, "Add a study's tables; may be repeated.", "STUDY")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        option(None, "Add the comparison of two runs or per-query files.", "A B"),
    ] = None,
    lists: Annotated[
        int, option(None, "Add rank lists: the N worst queries of each row.", "N", min=0)
    ] = 3,
    maps: Annotated[
        int,
        option(None, "Add activation maps of each data set's N worst queries.", "N", min=0),
    ] = 0,
    title: Annotated[str, option(None, "The page's title.")] = "reid-srdl report",
    large: Annotated[
        bool, option(None, "Write the page even if it has more than 10 MiB.", flags="--large")
    ] = False,
    output: Annotated[Path, option(None, "The file, .html.", "FILE", "--output -o")] = Path(
        "report.html"
    ),
) -> None:
    """Write one HTML file of runs: leaderboard, gains, curves, queries, rank lists, settings.

    The file loads nothing from the internet: it opens offline, and can be mailed and printed.
    """
    from reid_srdl.jobs.report import Asked, report_sections
    from reid_srdl.report.html.writing import check_page, write_page
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell_all

    check_page(output)
    command = shlex.join(["reid-srdl", *sys.argv[1:]])
    pairs = [compare] if compare else []
    asked = Asked(runs or [Path("runs")], study or [], pairs, lists, maps, command)
    with Display() as display:
        about, sections, notes = report_sections(asked, display.steps)
    write_page(output, title, about, sections, large=large)
    tell_all("note", notes)
    tell_all("written", [output])
