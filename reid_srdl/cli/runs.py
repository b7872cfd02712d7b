"""``reid-srdl runs`` and ``reid-srdl cache``: what there is, whether it is whole, what may go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reid_srdl.cli.help import App
from reid_srdl.errors import UserError

if TYPE_CHECKING:
    from reid_srdl.jobs.runs import Freed

app = App(name="runs", help="List, check and prune runs.")
cache_app = App(name="cache", help="Show and clear the caches.")

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)]


@app.command("list", epilog="Example: reid-srdl runs list runs")
def list_(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder of runs; default: runs.")
    ] = Path("runs"),
) -> None:
    """List runs with size and state: running, finished, stopped, damaged, not a run."""
    from reid_srdl.jobs.runs import list_runs
    from reid_srdl.report.runs import runs_table
    from reid_srdl.report.say import show

    show(runs_table(list_runs(folder), str(folder)))


@app.command(epilog="Example: reid-srdl runs check runs/NAME --repair")
def check(
    run: Run,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make metrics and weights again from the run's phases."),
    ] = False,
) -> None:
    """Compare every file of a run with its checksum; exit status 1 where one is damaged."""
    from reid_srdl.jobs.runs import check_run
    from reid_srdl.report.say import say, tell

    found = check_run(run, repair=repair)
    for problem in found:
        say(f"{problem.what}{': repaired' if problem.repaired else ''}")
        if not problem.repaired:
            tell(f"hint:  {problem.hint}")
    left = [problem for problem in found if not problem.repaired]
    if left:
        count = "1 file is" if len(left) == 1 else f"{len(left)} files are"
        raise UserError(f"{run}: {count} not what the run wrote", left[0].hint)
    say(f"{run}: every file is what the run wrote")


@app.command(epilog="Example: reid-srdl runs prune runs/NAME --dry-run")
def prune(
    run: Run,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
) -> None:
    """Free what a finished run no longer needs: earlier checkpoints, and knowledge."""
    from reid_srdl.jobs.runs import prune as freed_by

    _tell(freed_by(run, dry_run=dry_run), "would be freed" if dry_run else "freed")


@cache_app.command("list", epilog="Example: reid-srdl cache list")
def cache_list() -> None:
    """Show the caches and their sizes."""
    from reid_srdl.jobs.runs import caches

    _tell(caches(), "in all")


@cache_app.command(epilog="Example: reid-srdl cache clear")
def clear() -> None:
    """Remove all caches; they are made again when they are needed."""
    from reid_srdl.jobs.runs import clear_caches

    _tell(clear_caches(), "freed")


def _tell(freed: Sequence[Freed], what: str) -> None:
    from reid_srdl.report.runs import bytes_told
    from reid_srdl.report.say import say

    for one in freed:
        say(f"{one.path}: {bytes_told(one.size)}")
    say(f"{bytes_told(sum(one.size for one in freed))} {what}")
