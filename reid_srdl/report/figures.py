"""What all figures share: their file's kind, and a canvas without a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reid_srdl.errors import UserError
from reid_srdl.files import whole_file
from reid_srdl.places import check_output
from reid_srdl.texts import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg", ".pdf")


def check_figure(path: Path) -> None:
    """Checks a figure's name.

    Raises:
        UserError: it ends in none of .png, .svg, .pdf.
    """
    if path.suffix not in FIGURES:
        raise UserError(
            f"{path}: not a figure by its name", f"end it in {', '.join(FIGURES)}", usage=True
        )


def check_target(path: Path | None) -> None:
    """Checks where a figure is to be written, before the work that leads to it.

    Raises:
        UserError: it is no figure by its name, or nothing can be written there.
    """
    if path is not None:
        check_figure(path)
        check_output(path, "the figure")


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure, whole or not at all, in the format that its name asks for."""
    _show_texts_as_they_are(figure)
    with whole_file(path, "the figure") as temporary:
        figure.savefig(temporary, format=path.suffix[1:])


def _show_texts_as_they_are(figure: Figure) -> None:
    """Keeps names from being read as formulas, and from holding what is no character.

    Labels of ticks stay what they are unless they are names: those of powers are formulas.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    numbers = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if isinstance(axis.get_major_formatter(), LogFormatter | ScalarFormatter)
        for label in axis.get_ticklabels(which="both")
    }
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text not in numbers:
            text.set_text("\n".join(map(plain, text.get_text().split("\n"))))
            text.set_parse_math(False)
