"""``reid-srdl data``: make the embedded data set, check any data set."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reid_srdl.cli.help import App

if TYPE_CHECKING:
    from reid_srdl.data.check_report import CheckReport
    from reid_srdl.data.locate import ClassCounts, Counts
    from reid_srdl.report.tables import Table

app = App(name="data", help="Make and check data sets.")
make_app = App(name="make", help="Make an embedded data set.")
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
    from reid_srdl.report.say import say

    options = Options(
        train_identities, test_identities, cameras, images, junk=junk, distractors=distractors
    )
    with _bar() as tell:
        progress = (lambda done, total: tell("walkers", done, total)) if tell else None
        folder, made = make_walkers(
            data_dir or default_parent(), seed=seed, options=options, progress=progress
        )
    say(f"{folder}: made" if made else f"{folder}: there already, with this seed and these sizes")


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
    from reid_srdl.report.say import show_json

    with _bar() as tell:
        report = check_dataset(name, data_dir, tell)
    if as_json:
        show_json(_as_json(report))
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(1)


@app.command("list", epilog="Example: reid-srdl data list")
def list_() -> None:
    """Name the data sets, what they hold, and what to fetch where."""
    from reid_srdl.data import DATASETS
    from reid_srdl.report.say import show_pairs

    show_pairs(
        (name, f"{entry.summary}. To have it: {entry.fetch}") for name, entry in DATASETS.items()
    )


def _as_json(report: CheckReport) -> dict[str, object]:
    return {**asdict(report), "root": str(report.root), "ok": report.ok}


def _print_report(report: CheckReport) -> None:
    from rich.console import Console
    from rich.text import Text

    from reid_srdl.report.say import say, show
    from reid_srdl.texts import plain

    console = Console(highlight=False, soft_wrap=True)
    if report.rows:
        show(_table_of_counts(report))
    else:
        say(f"{report.name} in {report.root}")
    if report.sums:
        show(_table_of_sums(report))
    for kind, style, findings in (
        ("note", "cyan", report.notes),
        ("problem", "bold red", report.problems),
    ):
        for finding in findings:
            console.print(Text(f"{kind}: ", style=style) + Text(plain(finding.text)))
            for file in finding.files:
                say(f"  {file}")
    if report.ok:
        console.print(Text("ok: ready to use", style="bold green"))
    else:
        console.print(Text(f"not ok: {len(report.problems)} problems", style="bold red"))


def _table_of_counts(report: CheckReport) -> Table:
    from reid_srdl.report.tables import Column, Row, Table

    rows = []
    for row in report.rows:
        rows.append(Row({"split": row.split, **_cells(row.counts)}))
        if row.official:
            rows.append(Row({"split": "  official", **_cells(row.official)}))
    kinds = (Column(kind, kind, "count") for kind in _cells(report.rows[0].counts))
    title = f"{report.name} in {report.root}"
    return Table(title, (Column("split", "split"), *kinds), tuple(rows))


def _table_of_sums(report: CheckReport) -> Table:
    from reid_srdl.report.tables import Column, Row, Table

    columns = tuple(Column(key, key) for key in ("file", "here", "official"))
    rows = (
        Row(
            {
                "file": row.file,
                "here": row.md5,
                "official": "the same" if row.md5 == row.official else row.official,
            }
        )
        for row in report.sums
    )
    return Table("MD5 sums", columns, tuple(rows))


def _cells(counts: Counts | ClassCounts) -> dict[str, int | None]:
    return asdict(counts)


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

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield tell
