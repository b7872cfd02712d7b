"""``reid-srdl cross``: networks by test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reid_srdl.config.option import TESTED
from reid_srdl.errors import UserError
from reid_srdl.report.formats import Format
from reid_srdl.shell.options import EvalDevice, FinishedRuns, Form, Output, figure, option

EXAMPLE = (
    "Example: reid-srdl cross runs/A runs/B --dataset market1501 --dataset viper --data-dir M "
    "--data-dir V --plot cross.svg"
)


def cross(
    runs: FinishedRuns,
    dataset: Annotated[list[str], option(TESTED, "A test set; repeat it.", "NAME", "--dataset")],
    data_dir: Annotated[
        list[Path] | None,
        option(
            TESTED,
            "Where the data sets are, once for each --dataset in their order; default: where runs "
            "were trained, or REID_SRDL_DATA.",
            *("DIR", "--data-dir"),
        ),
    ] = None,
    device: EvalDevice = "auto",
    form: Form = Format.TABLE,
    output: Output = None,
    plot: Annotated[Path | None, figure("Draw mAP over latency to FILE")] = None,
) -> None:
    """Evaluate each network on each test set, in one table: Rank-1, mAP, size and speed.

    Sets that a network was trained on are marked. Each run keeps its evaluations.
    """
    folders: list[Path | None] = [*data_dir] if data_dir else [None] * len(dataset)
    if len(folders) != len(dataset):
        raise UserError(
            f"--data-dir is given {len(folders)} times, --dataset {len(dataset)} times",
            "give a folder for each data set, in their order, or none",
            usage=True,
        )
    from reid_srdl.places import check_output
    from reid_srdl.report import cross as report
    from reid_srdl.report.figures import check_target
    from reid_srdl.report.formats import publish
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell

    check_target(plot)
    if output is not None:
        check_output(output, "the table")
    from reid_srdl.jobs.cross import cross_runs

    sets = list(zip(dataset, folders, strict=True))
    with Display() as display:
        crossed = cross_runs(runs, sets, device=device, steps=display.steps, noted=display.noted)
    table, rows = report.crossed_table(crossed), report.crossed_rows(crossed)
    publish([table], form, output, "the table", rows=[rows], tree=crossed.as_json())
    if plot is not None:
        report.plot_crossed(crossed, plot)
        tell(f"written: {plot}")
