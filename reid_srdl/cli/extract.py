"""``reid-srdl extract``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = "Data"
NETWORK = "Network"
EXAMPLE = "Example: reid-srdl extract runs/NAME --data-dir DIR -o features.npz"


def extract(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The .npz file to write; a name without an ending: a folder of .npy files.",
            rich_help_panel=DATA,
        ),
    ] = Path("features.npz"),
    dataset: Annotated[
        str | None,
        typer.Option(help="Another data set than the run's own.", rich_help_panel=DATA),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="The data set's folder or zip, or what holds it; default: the run's.",
            rich_help_panel=DATA,
        ),
    ] = None,
    split: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Which division, where the data set has several; default: the run's, or 0.",
            rich_help_panel=DATA,
        ),
    ] = None,
    distractors: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder of images that join the gallery as nobody's (pid 0).",
            rich_help_panel=DATA,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Average the features of each image and its mirror image; default: the run's.",
            rich_help_panel=NETWORK,
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images of a forward pass; default: the run's.", rich_help_panel=NETWORK
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=NETWORK)
    ] = "auto",
) -> None:
    """Write the features of a data set's query, gallery and boxes, as a run's network sees them.

    The file or folder is what reid-srdl eval --features reads, and what other software can read
    with NumPy.
    """
    from reid_srdl.places import check_output as check_file
    from reid_srdl.retrieval.feature_files import check_output, save_features

    check_output(output)
    if output.suffix:
        check_file(output, "the features")
    from reid_srdl.jobs.extract import features_of_run
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import say

    with Display(0) as display:
        features, _ = features_of_run(
            run,
            dataset=dataset,
            data_dir=data_dir,
            split=split,
            distractors=distractors,
            flip=flip,
            batch_size=batch_size,
            device=device,
            steps=display.steps,
        )
    save_features(output, features)
    counts = ", ".join(f"{len(part)} {name}" for name, part in features.parts())
    say(f"{output}: {counts}, {features.query.features.shape[1]} dimensions")
