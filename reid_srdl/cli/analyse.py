"""``reid-srdl analyse``: what finished networks are like."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from reid_srdl.config.option import OUTPUT, WHERE
from reid_srdl.errors import FileError, UserError
from reid_srdl.shell.help import App
from reid_srdl.shell.options import Device, argument, option

if TYPE_CHECKING:
    from pydantic import BaseModel

    from reid_srdl.jobs.analyse.place import Place

app = App(name="analyse", help="Analyse finished runs.")

HOW = "How it is measured"
_NETWORKS = "Folders of finished runs; RUN:NAME means another network than the result, or a phase."
_MOST = 10_000  # of what takes a pass over the images each
_FIGURE = "The figure (.png, .svg or .pdf); default: {} beside the first record."

Networks = Annotated[list[str], argument(_NETWORKS, "RUN")]
Runs = Annotated[list[Path], argument("Folders of finished runs.", "RUN")]
Subset = Annotated[
    int | None, option(HOW, "Draw N images of each split; default: all.", "N", min=1)
]
Seed = Annotated[int, option(HOW, "Of random draws.", min=0)]
Dataset = Annotated[
    str | None, option(WHERE, "Of imported networks, whose own data set nobody knows.", "NAME")
]
DataDir = Annotated[
    Path | None,
    option(WHERE, "Where the data set is; default: the run's own, or $REID_SRDL_DATA.", "DIR"),
]
Plot = Annotated[Path | None, option(OUTPUT, _FIGURE.replace("{} ", ""), "FILE")]
Json = Annotated[bool, option(OUTPUT, "Print only JSON, in nats.", flags="--json")]


@contextlib.contextmanager
def analysing(
    as_json: bool,
    plot: Path | None,
    data_dir: Path | None = None,
    device: str = "cpu",
    dataset: str | None = None,
) -> Iterator[tuple[Place, list[tuple[BaseModel, Path | None]]]]:
    """Yields where to analyse, and a list for the records and their files, which it shows then."""
    from reid_srdl.report.figures import check_target

    check_target(plot)
    from reid_srdl.jobs.analyse.place import displayed
    from reid_srdl.report.analysis_end import show_analysis

    found: list[tuple[BaseModel, Path | None]] = []
    refused: list[FileError] = []
    with displayed(data_dir, device, refused.append, dataset) as place:
        yield place, found
    show_analysis(found, as_json=as_json, plot=plot, refused=refused)


@app.command(
    epilog="Examples:  reid-srdl analyse width runs/vanilla runs/srdl --plot width.svg   |   "
    "reid-srdl analyse width runs/srdl:first --relative --subset 5000"
)
def width(
    runs: Networks,
    directions: Annotated[int, option(HOW, "Random directions v.", "K", min=1, max=_MOST)] = 5,
    steps: Annotated[int, option(HOW, "Distances, 0 included.", "N", min=2, max=_MOST)] = 21,
    far: Annotated[
        float | None,
        option(
            *(HOW, "The farthest distance; default: 5 as in the paper, 1 with --relative.", "D"),
            min=1e-9,
        ),
    ] = None,
    relative: Annotated[
        bool,
        option(
            HOW,
            "Distances in filter norms (Li et al. 2018): raw norms of networks that differ in the "
            "scale of their weights do not compare.",
            flags="--relative",
        ),
    ] = False,
    subset: Subset = None,
    seed: Annotated[int, option(HOW, "Of the directions and the subset.", min=0)] = 0,
    again: Annotated[
        bool, option(HOW, "Measure what was measured already.", flags="--again")
    ] = False,
    dataset: Dataset = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Annotated[Path | None, option(OUTPUT, _FIGURE.format("width.svg"), "FILE")] = None,
    json: Json = False,
) -> None:
    """Draw the loss around optima: cross-entropy at theta + d v (SRDL paper, Fig 4).

    v is a random unit vector over all parameters. Training images are taken as they are, without
    augmentation; test images for classification (re-id tests on other people). One forward pass of
    all images for each direction and distance; results are kept in RUN/analyses.
    """

    with analysing(json, plot, data_dir, device, dataset) as (place, found):
        import numpy as np

        from reid_srdl.jobs.analyse.width import measure_width

        how: dict[str, Any] = {"directions": directions, "subset": subset, "relative": relative}
        how["distances"] = np.linspace(0.0, far or (1.0 if relative else 5.0), steps).tolist()
        how |= {"seed": seed, "again": again, "place": place}
        found += [measure_width(run, **how) for run in runs]


@app.command(epilog="Example: reid-srdl analyse entropy runs/resnet110 runs/resnet32")
def entropy(
    runs: Runs,
    measure: Annotated[
        bool,
        option(
            HOW,
            "Measure in evaluation mode on clean images, too, or show the record alone.",
            flags="--measure/--recorded",
        ),
    ] = True,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Show the training cross-entropy of each phase, beside the SRDL paper's (section 4.3)."""

    with analysing(json, None, data_dir, device) as (place, found):
        from reid_srdl.jobs.analyse.entropy import training_entropies

        found += [training_entropies(run, measure=measure, place=place) for run in runs]


@app.command(
    epilog="Example: reid-srdl analyse ensemble runs/srdl:srdl runs/srdl:first runs/vanilla"
)
def ensemble(
    networks: Networks,
    dataset: Dataset = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Average the probabilities of networks of any classification runs on their test images."""

    with analysing(json, None, data_dir, device, dataset) as (place, found):
        from reid_srdl.jobs.analyse.ensemble import judge_ensemble

        found.append(judge_ensemble(networks, place=place))


@app.command(
    epilog="Example: reid-srdl analyse noise runs/vanilla runs/srdl runs/srdl:first --relative"
)
def noise(
    runs: Networks,
    draws: Annotated[int, option(HOW, "Draws of the noise.", "K", min=1, max=_MOST)] = 10,
    steps: Annotated[int, option(HOW, "Deviations, 0 included.", "N", min=2, max=_MOST)] = 9,
    far: Annotated[
        float | None,
        option(
            *(HOW, "The largest deviation; default: 0.05, 0.5 with --relative.", "SIGMA"), min=1e-9
        ),
    ] = None,
    relative: Annotated[
        bool,
        option(
            HOW,
            "Deviations in units of each parameter tensor's root mean square.",
            flags="--relative",
        ),
    ] = False,
    subset: Subset = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Measure loss and accuracy under Gaussian noise in all weights: theta + sigma e.

    A flat optimum loses little. Training and test images as they are; re-id: training alone.
    """

    with analysing(json, plot, data_dir, device) as (place, found):
        from reid_srdl.jobs.analyse.noise import measure_noise

        sigma = far or (0.5 if relative else 0.05)
        how: dict[str, Any] = {"draws": draws, "subset": subset, "relative": relative, "seed": seed}
        how["deviations"] = [sigma * step / (steps - 1) for step in range(steps)]
        found += [measure_noise(run, **how, place=place) for run in runs]


@app.command(epilog="Example: reid-srdl analyse predictions runs/vanilla runs/srdl runs/srdl:first")
def predictions(
    runs: Networks,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Measure the entropy of predictions on all test images of classification runs."""

    with analysing(json, plot, data_dir, device) as (place, found):
        from reid_srdl.jobs.analyse.predictions import measure_predictions

        found += [measure_predictions(run, place=place) for run in runs]


@app.command(epilog="Example: reid-srdl analyse agreement runs/vanilla runs/srdl runs/srdl:first")
def agreement(
    runs: Networks,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Count where networks decide the same, and where they make the same errors, pair by pair."""

    with analysing(json, plot, data_dir, device) as (place, found):
        from reid_srdl.jobs.analyse.predictions import measure_agreement

        found.append(measure_agreement(runs, place=place))


@app.command(epilog="Example: reid-srdl analyse project runs/srdl --by tsne --at group2")
def project(
    runs: Networks,
    by: Annotated[
        Literal["pca", "tsne", "both"], option(HOW, "Principal components, t-SNE.")
    ] = "both",
    at: Annotated[
        str, option(HOW, "features, or a stage's or a branch's name.", "NAME")
    ] = "features",
    perplexity: Annotated[float, option(HOW, "Of t-SNE.", min=1, max=1e4)] = 30.0,
    seed: Seed = 0,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Project the features of all test images into the plane, by PCA and t-SNE."""

    with analysing(json, plot, data_dir, device) as (place, found):
        from reid_srdl.jobs.analyse.projection import project_features

        ways: list[Any] = ["pca", "tsne"] if by == "both" else [by]
        how: dict[str, Any] = {"at": at, "perplexity": perplexity, "seed": seed, "place": place}
        found += [project_features(run, way, **how) for run in runs for way in ways]


@app.command(epilog="Example: reid-srdl analyse gradients runs/srdl --plot gradients.svg")
def gradients(runs: Runs, plot: Plot = None, json: Json = False) -> None:
    """Show gradient norms of each layer along training, of runs with watch.gradients=true."""

    with analysing(json, plot) as (place, found):
        from reid_srdl.jobs.analyse.gradients import read_gradients

        for run in runs:
            found += zip(*read_gradients(run, place=place), strict=True)


@app.command(
    epilog="Example: reid-srdl analyse activation runs/vanilla runs/srdl a.jpg b.jpg --like c.jpg"
)
def activation(
    words: Annotated[list[Path], argument("Folders of runs, then image files.", "RUN... IMAGE...")],
    identity: Annotated[
        str | None, option(None, "Grad-CAM towards this training identity.", "NAME")
    ] = None,
    like: Annotated[
        Path | None, option(None, "Grad-CAM towards likeness to this image.", "FILE")
    ] = None,
    device: Device = "auto",
    plot: Annotated[Path, option(None, "The picture, .png.", "FILE")] = Path("activation.png"),
) -> None:
    """Show where networks look: mean absolute activation of the last stage, or Grad-CAM."""
    from reid_srdl.report.pictures import check_picture

    runs = [word for word in words if word.is_dir()]
    images = [word for word in words if not word.is_dir()]
    if not runs or not images:
        missing = "image" if runs else "run"
        raise UserError(f"no {missing} is named", "name runs' folders and image files", usage=True)
    if identity is not None and like is not None:
        raise UserError("--identity and --like: two aims", "give one of them", usage=True)
    check_picture(plot)
    from reid_srdl.jobs.analyse.activation import activation as looks_of
    from reid_srdl.report.activation import draw_activation
    from reid_srdl.report.say import tell_all

    found = looks_of(runs, images, identity=identity, like=like, device=device)
    names = [str(one.run) for one in found]
    draw_activation(plot, names, found[0].images, [one.maps for one in found])
    tell_all("written", [plot])
