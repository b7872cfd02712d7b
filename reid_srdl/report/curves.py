"""Curves of runs as a figure: loss, accuracy, validation and learning rate over all epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reid_srdl.report.figures import new_figure, save_figure
from reid_srdl.report.html.runs import Entry
from reid_srdl.report.html.training import MEASURES, curves


def draw_curves(path: Path, found: Sequence[Entry]) -> None:
    """Draws a panel for each measure, a line for each phase, a band over seeds.

    Raises:
        FileError: the operating system refuses.
    """
    panels = [
        (title, up, [one for entry in found for one in curves(entry, value)])
        for title, up, value in MEASURES
    ]
    shown = [panel for panel in panels if panel[2]]
    figure = new_figure(9, 2.8 * len(shown))
    for axes, (title, up, series) in zip(
        np.atleast_1d(figure.subplots(len(shown), 1)), shown, strict=True
    ):
        for one in series:
            (line,) = axes.plot(one.x, one.y, marker=".", label=one.name)
            if one.low is not None and one.high is not None:
                axes.fill_between(one.x, one.low, one.high, color=line.get_color(), alpha=0.15)
        axes.set(title=title, xlabel="epoch", ylabel=up)
        axes.legend(fontsize="small")
    save_figure(figure, path)
