"""``reid-srdl analyse``: noise, predictions, agreement, project and gradients."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from reid_srdl.cli import analyse
from reid_srdl.cli.analyse import HOW, NETWORKS, DataDir, Json
from reid_srdl.cli.options import Device
from reid_srdl.config.option import OUTPUT

app = analyse.app

Networks = Annotated[list[str], typer.Argument(metavar="RUN", help=NETWORKS, show_default=False)]
Plot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="The figure (.png, .svg or .pdf); default: beside the first record.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, rich_help_panel=HOW, help="Of random draws.")]


class Projections(StrEnum):
    """How features are projected."""

    PCA = "pca"
    TSNE = "tsne"
    BOTH = "both"


@app.command(
    epilog="Example: reid-srdl analyse noise runs/vanilla runs/srdl runs/srdl:first --relative"
)
def noise(
    runs: Networks,
    draws: Annotated[
        int, typer.Option(min=1, metavar="K", rich_help_panel=HOW, help="Draws of the noise.")
    ] = 10,
    steps: Annotated[
        int,
        typer.Option(min=2, metavar="N", rich_help_panel=HOW, help="Deviations, 0 included."),
    ] = 9,
    far: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            metavar="SIGMA",
            rich_help_panel=HOW,
            help="The largest deviation; default: 0.05, 0.5 with --relative.",
        ),
    ] = None,
    relative: Annotated[
        bool,
        typer.Option(
            "--relative",
            rich_help_panel=HOW,
            help="Deviations in units of each parameter tensor's root mean square.",
        ),
    ] = False,
    subset: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=HOW,
            help="Draw N images of each split; default: all.",
        ),
    ] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Measure loss and accuracy under Gaussian noise in all weights: theta + sigma e.

    A flat optimum loses little. Training and test images as they are; re-id: training alone.
    """
    from reid_srdl.jobs.analyse.noise import measure_noise
    from reid_srdl.report.noise import noise_table, plot_noise

    farthest = far or (0.5 if relative else 0.05)
    deviations = [farthest * step / (steps - 1) for step in range(steps)]

    def done(place: Any) -> list[tuple[Any, Path]]:
        how: dict[str, Any] = {"draws": draws, "subset": subset, "relative": relative, "seed": seed}
        return [measure_noise(r, deviations=deviations, place=place, **how) for r in runs]

    _run(done, noise_table, plot_noise, plot, data_dir, device, json)


@app.command(epilog="Example: reid-srdl analyse predictions runs/vanilla runs/srdl runs/srdl:first")
def predictions(
    runs: Networks,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Measure the entropy of predictions on all test images of classification runs."""
    from reid_srdl.jobs.analyse.predictions import measure_predictions
    from reid_srdl.report.predictions import plot_predictions, predictions_table

    def done(place: Any) -> list[tuple[Any, Path]]:
        return [measure_predictions(run, place=place) for run in runs]

    _run(done, predictions_table, plot_predictions, plot, data_dir, device, json)


@app.command(epilog="Example: reid-srdl analyse agreement runs/vanilla runs/srdl runs/srdl:first")
def agreement(
    runs: Networks,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Count where networks decide the same, and where they make the same errors, pair by pair."""
    from reid_srdl.jobs.analyse.predictions import measure_agreement
    from reid_srdl.report.predictions import agreement_table, plot_agreement

    def done(place: Any) -> list[tuple[Any, Path]]:
        return [measure_agreement(runs, place=place)]

    _run(
        done,
        lambda found: agreement_table(found[0]),
        lambda found, path: plot_agreement(found[0], path),
        *(plot, data_dir, device, json),
    )


@app.command(epilog="Example: reid-srdl analyse project runs/srdl --by tsne --at group2")
def project(
    runs: Networks,
    by: Annotated[
        Projections, typer.Option(rich_help_panel=HOW, help="Principal components, t-SNE.")
    ] = Projections.BOTH,
    at: Annotated[
        str,
        typer.Option(
            metavar="NAME", rich_help_panel=HOW, help="features, or a stage's or a branch's name."
        ),
    ] = "features",
    perplexity: Annotated[
        float, typer.Option(min=1, max=1e4, rich_help_panel=HOW, help="Of t-SNE.")
    ] = 30.0,
    seed: Seed = 0,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Project the features of all test images into the plane, by PCA and t-SNE."""
    from reid_srdl.jobs.analyse.projection import project_features
    from reid_srdl.report.projection import plot_projections, projection_table

    ways: list[Any] = ["pca", "tsne"] if by is Projections.BOTH else [by.value]

    def done(place: Any) -> list[tuple[Any, Path]]:
        how: dict[str, Any] = {"at": at, "perplexity": perplexity, "seed": seed, "place": place}
        return [project_features(run, way, **how) for run in runs for way in ways]

    _run(done, projection_table, plot_projections, plot, data_dir, device, json)


@app.command(epilog="Example: reid-srdl analyse gradients runs/srdl --plot gradients.svg")
def gradients(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders of finished runs.", show_default=False),
    ],
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Show gradient norms of each layer along training, of runs with watch.gradients=true."""
    from reid_srdl.jobs.analyse.gradients import read_gradients
    from reid_srdl.report.gradients import gradients_table, plot_gradients

    def done(place: Any) -> list[tuple[Any, Path]]:
        pairs = [read_gradients(run, place=place) for run in runs]
        return [pair for found, files in pairs for pair in zip(found, files, strict=True)]

    _run(done, gradients_table, plot_gradients, plot, None, "cpu", json)


def _run(
    done: Any,
    table: Any,
    draw: Any,
    plot: Path | None,
    data_dir: Path | None,
    device: str,
    json: bool,
) -> None:
    """Does an analysis, shows its records and draws its figure."""
    from reid_srdl.report.figures import check_target

    check_target(plot)
    from reid_srdl.jobs.analyse.place import displayed
    from reid_srdl.report.analysis_end import Shown

    shown = Shown(as_json=json)
    with displayed(data_dir, device, shown.refused.append) as place:
        pairs = done(place)
    found, files = [one for one, _ in pairs], [file for _, file in pairs]
    shown.show(found, table(found), files)
    figure = plot or files[0].with_suffix(".svg")
    draw(found, figure)
    shown.end([figure])
