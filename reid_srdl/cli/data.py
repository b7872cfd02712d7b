"""``reid-srdl data``: make the embedded data set, check any data set."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from reid_srdl.data.check_report import CheckReport
    from reid_srdl.data.locate import ClassCounts, Counts

app = typer.Typer(name="data", help="Make and check data sets.", no_args_is_help=True)
make_app = typer.Typer(name="make", help="Make an embedded data set.", no_args_is_help=True)
app.add_typer(make_app)

_PLACE = "Where"
_SIZE = "Size"

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        rich_help_panel=_PLACE,
        help="The set's folder, its parent, its archive, or a folder that holds that. "
        "Default: the environment variable REID_SRDL_DATA; for walkers, else ./data.",
        show_default=False,
    ),
]


@make_app.command(
    epilog="Example: reid-srdl data make walkers --data-dir data --seed 0. "
    "The set is for showing that everything works; its scores say nothing about real streets."
)
def walkers(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=_PLACE,
            show_default=False,
            help="Parent of the new folder 'walkers'. "
            "Default: the environment variable REID_SRDL_DATA, else ./data.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything drawn.")] = 0,
    train_identities: Annotated[
        int, typer.Option(rich_help_panel=_SIZE, help="People to train on.")
    ] = 44,
    test_identities: Annotated[
        int, typer.Option(rich_help_panel=_SIZE, help="People to search for.")
    ] = 40,
    cameras: Annotated[
        int, typer.Option(rich_help_panel=_SIZE, help="Cameras; each person is seen by 2 to 5.")
    ] = 6,
    images: Annotated[
        int, typer.Option(rich_help_panel=_SIZE, help="Most images of a person by one camera.")
    ] = 5,
    junk: Annotated[
        float, typer.Option(rich_help_panel=_SIZE, help="Junk boxes, as a share of the matches.")
    ] = 0.15,
    distractors: Annotated[
        float, typer.Option(rich_help_panel=_SIZE, help="Distractors, as a share of the matches.")
    ] = 0.3,
) -> None:
    """Draw people seen by street cameras, in Market-1501's layout (128 x 64 pixels)."""
    from reid_srdl.data.walkers.make import default_parent, make_walkers
    from reid_srdl.data.walkers.plan import Options

    options = Options(
        train_identities, test_identities, cameras, images, junk=junk, distractors=distractors
    )
    with _bar() as tell:
        progress = (lambda done, total: tell("walkers", done, total)) if tell else None
        folder, made = make_walkers(
            data_dir or default_parent(), seed=seed, options=options, progress=progress
        )
    print(f"{folder}: made" if made else f"{folder}: there already, with this seed and these sizes")


@app.command(
    epilog="Example: reid-srdl data check market1501 --data-dir ~/data. "
    "Exit status: 0 where the set is ready to use, else 1."
)
def check(
    name: Annotated[str, typer.Argument(help="A data set's name, e.g. market1501 or cifar100.")],
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Count a data set, read every image, and name every file that is wrong."""
    from reid_srdl.data.check import check_dataset

    with _bar() as tell:
        report = check_dataset(name, data_dir, tell)
    if as_json:
        print(json.dumps(_as_json(report), indent=2))
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(1)


@app.command("list", epilog="Example: reid-srdl data list")
def list_() -> None:
    """Name the data sets, what they hold, and what to fetch where."""
    from rich.console import Console
    from rich.table import Table

    from reid_srdl.data import DATASETS

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, entry in DATASETS.items():
        table.add_row(name, f"{entry.summary}. To have it: {entry.fetch}")
    Console(highlight=False).print(table)


def _as_json(report: CheckReport) -> dict[str, object]:
    return {**asdict(report), "root": str(report.root), "ok": report.ok}


def _print_report(report: CheckReport) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    title = f"{report.name} in {report.root}"
    table = Table(title=title, title_justify="left")
    table.add_column("split")
    for kind in asdict(report.rows[0].counts) if report.rows else ():
        table.add_column(kind, justify="right")
    for row in report.rows:
        table.add_row(row.split, *_cells(row.counts))
        if row.official:
            table.add_row("  official", *_cells(row.official), style="dim")
    console.print(table if report.rows else title)
    if report.sums:
        console.print(_table_of_sums(report))
    for kind, style, findings in (
        ("note", "cyan", report.notes),
        ("problem", "bold red", report.problems),
    ):
        for finding in findings:
            console.print(Text(f"{kind}: ", style=style) + Text(finding.text))
            for file in finding.files:
                console.print(Text(f"  {file}"))
    if report.ok:
        console.print(Text("ok: ready to use", style="bold green"))
    else:
        console.print(Text(f"not ok: {len(report.problems)} problems", style="bold red"))


def _table_of_sums(report: CheckReport) -> Table:
    from rich.table import Table

    table = Table(title="MD5 sums", title_justify="left")
    for column in ("file", "here", "official"):
        table.add_column(column)
    for row in report.sums:
        same = row.md5 == row.official
        table.add_row(row.file, row.md5, "the same" if same else row.official)
    return table


def _cells(counts: Counts | ClassCounts) -> list[str]:
    return ["-" if number is None else f"{number:,}" for number in asdict(counts).values()]


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None] | None]:
    """Yields a progress bar on stderr where that is a terminal, else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield tell
