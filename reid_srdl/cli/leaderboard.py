"""``reid-srdl leaderboard``: the table of all finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reid_srdl.report.formats import Format
from reid_srdl.shell.options import Form, Output, argument, option

EXAMPLE = "Example: reid-srdl leaderboard runs --dataset market1501 --format latex"


def leaderboard(
    runs: Annotated[
        Path, argument("Folder of runs, one run, or a tree such as results/.", default=True)
    ] = Path("runs"),
    form: Form = Format.TABLE,
    dataset: Annotated[
        str | None, option("Selection", "Only this data set; default: all.", "NAME")
    ] = None,
    where: Annotated[
        list[str] | None,
        option(
            "Selection",
            "Only runs of this setting, e.g. model=resnet50 or optim.lr=0.05; may be repeated.",
            "KEY=VALUE",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        option(
            "Selection",
            "Sort rows by a column of --format json, e.g. single_mAP, work or parameters.",
            "KEY",
        ),
    ] = None,
    output: Output = None,
) -> None:
    """Compare finished runs: Rank-1 and mAP (%), parameters, cost, gains over vanilla.

    Runs that differ only in their seed are averaged: mean ± sample standard deviation (number of
    seeds). TrCost is multiply-accumulates of one forward pass x epochs x images, in 10^16; work
    counts backward passes, too. Features from elsewhere (reid-srdl eval --features FILE --name
    NAME) stand below the runs that were judged on the same test images.
    """
    from reid_srdl.records.leaderboard import leaderboard as rank
    from reid_srdl.records.selection import selected
    from reid_srdl.records.store import of_dataset, read_records
    from reid_srdl.report.formats import publish
    from reid_srdl.report.leaderboard import leaderboard_tables
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell_all

    with Display() as display:
        records, problems = read_records(runs, queries=False, steps=display.steps)
    chosen = records if dataset is None else of_dataset(records, dataset, runs)
    board = rank(selected(chosen, where or []))
    tables = leaderboard_tables(board, sort)
    tell_all("note", (*problems, *(board.notes if form.raw else ())))
    publish(tables, form, output, "the leaderboard")
