"""``reid-srdl runs`` and ``reid-srdl cache``: what there is, whether it is whole, what may go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reid_srdl.shell.help import App
from reid_srdl.shell.options import PlainJson, argument, option

app = App(name="runs", help="List, check and prune runs.")
cache_app = App(name="cache", help="Show and clear the caches.")


@app.command("list", epilog="Example: reid-srdl runs list runs")
def list_(
    folder: Annotated[
        Path, argument("Folder of runs; default: runs.", "[DIR]", default=True)
    ] = Path("runs"),
    json: PlainJson = False,
) -> None:
    """List runs with size and state: running, finished, stopped, damaged, not a run."""
    from reid_srdl.jobs.runs import list_runs
    from reid_srdl.report.progress import Display
    from reid_srdl.report.runs import runs_json, runs_table
    from reid_srdl.report.say import present

    with Display() as display:
        found = list_runs(folder, display.steps)
    present(runs_table(found, str(folder)), runs_json(found), as_json=json)


@app.command(epilog="Example: reid-srdl runs check runs/NAME --repair")
def check(
    run: Annotated[Path, argument("Folder of a run, or of all runs.", "RUN")],
    repair: Annotated[
        bool,
        option(None, "Make metrics and weights again from the run's phases.", flags="--repair"),
    ] = False,
    json: PlainJson = False,
) -> None:
    """Compare every file of a run with its checksum; exit status 1 where one is damaged.

    Of a folder of runs: each of them, and the phases that they share.
    """
    from reid_srdl.jobs.checking import check_run, runs_at
    from reid_srdl.report.runs import print_problems

    runs = runs_at(run)
    count = None if runs == [run] else len(runs)
    print_problems(run, check_run(run, repair=repair), count, as_json=json)


@app.command(epilog="Example: reid-srdl runs prune runs/NAME --dry-run")
def prune(
    run: Annotated[Path, argument("Folder of a run, or of all runs.", "RUN")],
    dry_run: Annotated[
        bool, option(None, "Say what would go, and change nothing.", flags="--dry-run")
    ] = False,
    json: PlainJson = False,
) -> None:
    """Free what a finished run no longer needs: earlier checkpoints, and knowledge.

    Of a folder of runs: shared phases that no run has any more.
    """
    from reid_srdl.jobs.runs import prune as freed_by
    from reid_srdl.report.runs import print_freed

    what = "would be freed" if dry_run else "freed"
    print_freed(freed_by(run, dry_run=dry_run), what, as_json=json)


@cache_app.command("list", epilog="Example: reid-srdl cache list")
def cache_list(json: PlainJson = False) -> None:
    """Show the caches and their sizes."""
    from reid_srdl.jobs.runs import caches
    from reid_srdl.report.runs import print_freed

    print_freed(caches(), "in all", as_json=json)


@cache_app.command(epilog="Example: reid-srdl cache clear")
def clear(json: PlainJson = False) -> None:
    """Remove all caches; they are made again when they are needed."""
    from reid_srdl.jobs.runs import clear_caches
    from reid_srdl.report.runs import print_freed

    print_freed(clear_caches(), "freed", as_json=json)
