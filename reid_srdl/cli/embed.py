"""``reid-srdl embed``: features of any folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_srdl.cli.generated import with_options
from reid_srdl.cli.options import Device, FinishedRun
from reid_srdl.config.option import ENGINE, OUTPUT

EXAMPLE = "Example: reid-srdl embed runs/NAME crops -o features.npz"


@with_options(
    "eval",
    only={"eval.flip": ENGINE, "eval.batch_size": ENGINE},
    default="the run's own, or {default}",
)
def embed(
    given: dict[str, Any],
    run: FinishedRun,
    folder: Annotated[
        Path, typer.Argument(help="Folder of images, in folders or not.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .npz file to write.", rich_help_panel=OUTPUT),
    ] = Path("features.npz"),
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of the run's networks; default: its result.",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Write the features of all images below a folder: features (N x D) and names (N paths).

    Names are paths from the folder, sorted. An image that can't be read is an error; what is no
    image is left out, counted and named.
    """
    from reid_srdl.jobs.embed import check_embeddings, embed_folder, write_embeddings

    check_embeddings(output)
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import say, tell_all

    with Display() as display:
        images, features = embed_folder(
            run,
            folder,
            network=network,
            flip=given.get("eval.flip"),
            batch_size=given.get("eval.batch_size"),
            device=device,
            steps=display.steps,
        )
    write_embeddings(output, images.names, features)
    tell_all("note", (note.line for note in images.notes))
    say(f"{output}: {len(features):,} images, {features.shape[1]:,} dimensions")
