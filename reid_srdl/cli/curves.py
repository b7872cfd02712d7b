"""``reid-srdl curves``: how runs were trained, as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reid_srdl.shell.options import argument, option

EXAMPLE = "Example: reid-srdl curves runs/vanilla runs/srdl --plot curves.png"


def curves(
    runs: Annotated[list[Path], argument("Runs, or folders of runs.", "RUN...")],
    plot: Annotated[Path, option(None, "The figure: .png, .svg or .pdf.", "FILE")] = Path(
        "curves.png"
    ),
) -> None:
    """Draw loss, accuracy and learning rate over epochs: a line per phase, bands over seeds."""
    from reid_srdl.jobs.report_runs import read_entries
    from reid_srdl.report.curves import draw_curves
    from reid_srdl.report.figures import check_target
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import tell_all

    check_target(plot)
    with Display() as display:
        found, notes = read_entries(runs, display.steps)
    draw_curves(plot, found)
    tell_all("note", notes)
    tell_all("written", [plot])
