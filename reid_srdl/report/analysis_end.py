"""How an analysis ends: everything is shown before a file that could not be written is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from reid_srdl.errors import FileError
from reid_srdl.records.analyses import EnsembleRecord, Entropies, Width
from reid_srdl.records.network_analyses import (
    Agreement,
    Gradients,
    Noise,
    Predictions,
    Projection,
)
from reid_srdl.report.analysis import ensemble_table, entropy_table, plot_widths, width_table
from reid_srdl.report.gradients import gradients_table, plot_gradients
from reid_srdl.report.noise import noise_table, plot_noise
from reid_srdl.report.predictions import (
    agreement_table,
    plot_agreement,
    plot_predictions,
    predictions_table,
)
from reid_srdl.report.projection import plot_projections, projection_table
from reid_srdl.report.say import present, tell_all
from reid_srdl.seals import sealed

# By the kind of record: the table of several, and their figure.
VIEWS: Mapping[type[BaseModel], tuple[Callable[..., Any], Callable[..., None] | None]] = {
    Width: (width_table, plot_widths),
    Entropies: (entropy_table, None),
    EnsembleRecord: (lambda found: ensemble_table(found[0]), None),
    Noise: (noise_table, plot_noise),
    Predictions: (predictions_table, plot_predictions),
    Agreement: (
        lambda found: agreement_table(found[0]),
        lambda found, path: plot_agreement(found[0], path),
    ),
    Projection: (projection_table, plot_projections),
    Gradients: (gradients_table, plot_gradients),
}


def show_analysis(
    found: Sequence[tuple[BaseModel, Path | None]],
    *,
    as_json: bool,
    plot: Path | None,
    refused: Sequence[FileError],
) -> None:
    """Prints the table or, as a list, the records, and says where they and the figure stand.

    Args:
        found: records of one kind, each with the file that holds it; None: no file does.
        as_json: print JSON alone.
        plot: the figure; None: beside the first record.
        refused: the records that could not be written.

    Raises:
        FileError: the first of ``refused``, or the figure could not be written.
    """
    records, files = [one for one, _ in found], [file for _, file in found if file]
    table, draw = VIEWS[type(records[0])]
    present(table(records), [one.model_dump(mode="json") for one in records], as_json=as_json)
    missing = {error.filename for error in refused}
    tell_all("written", (file for file in dict.fromkeys(files) if str(file) not in missing))
    if draw is not None:
        figure = plot or files[0].with_suffix(".svg")
        with sealed(figure) if plot is None else nullcontext():  # beside it: the run's own file
            draw(records, figure)
        tell_all("written", [figure])
    if refused:
        raise refused[0]
