"""Measures how wide the optima of a study's runs are, and draws them together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.jobs.analyse.width import measure_width
from reid_srdl.jobs.studies.conduct import Where
from reid_srdl.records.studies.match import study_folder
from reid_srdl.records.studies.plan import Plan
from reid_srdl.report.analysis import plot_widths
from reid_srdl.report.progress import Display


def measure_widths(plan: Plan, folders: Mapping[str, Path], where: Where) -> dict[str, str]:
    """Measures the width of each finished run that the study asks for; what is there is read back.

    Draws them all to ``width.svg`` in the study's folder.

    Args:
        plan: the study.
        folders: of the finished runs, by the plan's names.
        where: data sets and device.

    Returns:
        Why a run could not be measured, by its name.
    """
    wanted = plan.study.width
    if wanted is None:
        return {}
    errors: dict[str, str] = {}
    widths = []
    with Display() as display:
        for run in plan.runs:
            if run.name not in folders or not run.cells:
                continue
            data_dir = where.data_dir(run.config.data.name)
            try:
                width, path = measure_width(
                    str(folders[run.name]),
                    distances=wanted.distances,
                    directions=wanted.directions,
                    subset=None if plan.scale == 1 else wanted.rehearsal_subset,
                    place=Place(data_dir, where.device or "auto", display.steps),
                )
            except UserError as error:
                errors[run.name] = error.what
                display.say(f"{run.name}: width not measured: {error.what}")
                continue
            widths.append(width)
            display.say(f"{run.name}: width in {path}")
        if widths:
            figure = figure_of(where.runs, plan)
            plot_widths(widths, figure)
            display.say(f"figure: {figure}")
    return errors


def figure_of(runs: Path, plan: Plan) -> Path:
    """Returns the file of a study's figure."""
    return study_folder(runs, plan) / "width.svg"
