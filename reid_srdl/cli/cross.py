"""``reid-srdl cross``: networks by test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_srdl.cli.options import EvalDevice, Form, Output
from reid_srdl.config.option import OUTPUT, TESTED
from reid_srdl.errors import UserError
from reid_srdl.report.formats import Format

EXAMPLE = (
    "Example: reid-srdl cross runs/A runs/B --dataset market1501 --dataset viper --data-dir M "
    "--data-dir V --plot cross.svg"
)


def cross(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs.", show_default=False)
    ],
    dataset: Annotated[
        list[str],
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="A test set; repeat it.",
            rich_help_panel=TESTED,
            show_default=False,
        ),
    ],
    data_dir: Annotated[
        list[Path] | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Where the data sets are, once for each --dataset in their order; default: where "
            "runs were trained, or REID_SRDL_DATA.",
            rich_help_panel=TESTED,
            show_default=False,
        ),
    ] = None,
    device: EvalDevice = "auto",
    form: Form = Format.TABLE,
    output: Output = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Draw mAP over latency to FILE (.png, .svg or .pdf).",
        ),
    ] = None,
) -> None:
    """Evaluate each network on each test set, in one table: Rank-1, mAP, size and speed.

    Sets that a network was trained on are marked. Each run keeps its evaluations.
    """
    folders: list[Path | None] = [None] * len(dataset) if not data_dir else [*data_dir]
    if len(folders) != len(dataset):
        raise UserError(
            f"--data-dir is given {len(folders)} times, --dataset {len(dataset)} times",
            "give a folder for each data set, in their order, or none",
            usage=True,
        )
    from reid_srdl.places import check_output
    from reid_srdl.report import cross as report
    from reid_srdl.report.figures import check_target

    check_target(plot)
    if output is not None:
        check_output(output, "the table")
    from reid_srdl.jobs.cross import cross_runs
    from reid_srdl.report.formats import publish
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell

    with Display() as display:
        crossed = cross_runs(
            runs, list(zip(dataset, folders, strict=True)), device=device, steps=display.steps
        )
    publish(
        [report.crossed_table(crossed)],
        form,
        output,
        "the table",
        rows=[report.crossed_rows(crossed)],
        tree=crossed.as_json(),
    )
    if plot is not None:
        report.plot_crossed(crossed, plot)
        tell(f"written: {plot}")
