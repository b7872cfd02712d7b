"""``reid-srdl analyse``: width of the optimum, training cross-entropy, ensembles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_srdl.cli.help import App
from reid_srdl.cli.options import Device
from reid_srdl.config.option import OUTPUT, WHERE

app = App(name="analyse", help="Analyse finished runs.")

HOW = "How it is measured"
NETWORKS = "Folders of finished runs; RUN:NAME means another network than the result, or a phase."

DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=WHERE,
        help="Where the data set is; default: the run's own, or $REID_SRDL_DATA.",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=WHERE,
        help="Of imported networks, whose own data set nobody knows.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON alone, in nats.")
]


@app.command(
    epilog="Examples:  reid-srdl analyse width runs/vanilla runs/srdl --plot width.svg   |   "
    "reid-srdl analyse width runs/srdl:first --relative --subset 5000"
)
def width(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help=NETWORKS, show_default=False)],
    directions: Annotated[
        int, typer.Option(min=1, metavar="K", rich_help_panel=HOW, help="Random directions v.")
    ] = 5,
    steps: Annotated[
        int, typer.Option(min=2, metavar="N", rich_help_panel=HOW, help="Distances, 0 included.")
    ] = 21,
    far: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            metavar="D",
            rich_help_panel=HOW,
            help="The farthest distance; default: 5 as in the paper, 1 with --relative.",
        ),
    ] = None,
    relative: Annotated[
        bool,
        typer.Option(
            "--relative",
            rich_help_panel=HOW,
            help="Distances in filter norms (Li et al. 2018): raw norms of networks that differ in "
            "the scale of their weights do not compare.",
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
    seed: Annotated[
        int, typer.Option(min=0, rich_help_panel=HOW, help="Of the directions and the subset.")
    ] = 0,
    again: Annotated[
        bool,
        typer.Option("--again", rich_help_panel=HOW, help="Measure what was measured already."),
    ] = False,
    dataset: Dataset = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="The figure (.png, .svg or .pdf); default: width.svg beside the first record.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Draw the loss around optima: cross-entropy at theta + d v (SRDL paper, Fig 4).

    v is a random unit vector over all parameters. Training images are taken as they are, without
    augmentation; test images for classification (re-id tests on other people). One forward pass of
    all images for each direction and distance; results are kept in RUN/analyses.
    """
    from reid_srdl.report.figures import check_target

    check_target(plot)
    import numpy as np

    from reid_srdl.jobs.analyse.place import displayed
    from reid_srdl.jobs.analyse.width import measure_width
    from reid_srdl.report.analysis import plot_widths, width_table
    from reid_srdl.report.analysis_end import Shown

    farthest = far or (1.0 if relative else 5.0)
    shown = Shown(as_json=json)
    with displayed(data_dir, device, shown.refused.append, dataset) as place:
        done = [
            measure_width(
                run,
                distances=np.linspace(0.0, farthest, steps).tolist(),
                directions=directions,
                subset=subset,
                relative=relative,
                seed=seed,
                again=again,
                place=place,
            )
            for run in runs
        ]
    widths, files = [one for one, _ in done], [file for _, file in done]
    shown.show(widths, width_table(widths), files)
    figure = plot or files[0].with_suffix(".svg")
    plot_widths(widths, figure)
    shown.end([figure])


@app.command(epilog="Example: reid-srdl analyse entropy runs/resnet110 runs/resnet32")
def entropy(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders of finished runs.", show_default=False),
    ],
    measure: Annotated[
        bool,
        typer.Option(
            "--measure/--recorded",
            rich_help_panel=HOW,
            help="Measure in evaluation mode on clean images, too, or show the record alone.",
        ),
    ] = True,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Show the training cross-entropy of each phase, beside the SRDL paper's (section 4.3)."""
    from reid_srdl.jobs.analyse.entropy import training_entropies
    from reid_srdl.jobs.analyse.place import displayed
    from reid_srdl.report.analysis import entropy_table
    from reid_srdl.report.analysis_end import Shown

    shown = Shown(as_json=json)
    with displayed(data_dir, device, shown.refused.append) as place:
        done = [training_entropies(run, measure=measure, place=place) for run in runs]
    entropies = [one for one, _ in done]
    shown.show(entropies, entropy_table(entropies), [file for _, file in done if file])
    shown.end()


@app.command(
    epilog="Example: reid-srdl analyse ensemble runs/srdl:srdl runs/srdl:first runs/vanilla"
)
def ensemble(
    networks: Annotated[
        list[str], typer.Argument(metavar="RUN", help=NETWORKS, show_default=False)
    ],
    dataset: Dataset = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Average the probabilities of networks of any classification runs on their test images."""
    from reid_srdl.jobs.analyse.ensemble import judge_ensemble
    from reid_srdl.jobs.analyse.place import displayed
    from reid_srdl.report.analysis import ensemble_table
    from reid_srdl.report.analysis_end import Shown

    shown = Shown(as_json=json)
    with displayed(data_dir, device, shown.refused.append, dataset) as place:
        record, file = judge_ensemble(networks, place=place)
    shown.show([record], ensemble_table(record), [file])
    shown.end()
