"""``reid-srdl embed``: features of any folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_srdl.config.marked import section
from reid_srdl.config.option import ENGINE
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import Device, FinishedRun, argument, option, written

EXAMPLE = "Example: reid-srdl embed runs/NAME crops -o features.npz"


@with_options(
    "eval",
    only={"eval.flip": ENGINE, "eval.batch_size": ENGINE},
    default="the run's own, or {default}",
)
def embed(
    given: dict[str, Any],
    run: FinishedRun,
    folder: Annotated[Path, argument("Folder of images, in folders or not.")],
    output: Annotated[Path, written("The .npz file to write.")] = Path("features.npz"),
    network: Annotated[
        str | None, option(ENGINE, "Which of the run's networks; default: its result.", "NAME")
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
        how = {"network": network, "device": device, **section(given, "eval")}
        images, features = embed_folder(run, folder, **how, steps=display.steps)
    write_embeddings(output, images.names, features)
    tell_all("note", (note.line for note in images.notes))
    say(f"{output}: {len(features):,} images, {features.shape[1]:,} dimensions")
