"""``reid-srdl analyse activation``: where networks look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_srdl.cli.options import Device
from reid_srdl.errors import UserError

EXAMPLE = "Example: reid-srdl analyse activation runs/vanilla runs/srdl a.jpg b.jpg --like c.jpg"


def activation(
    words: Annotated[
        list[Path],
        typer.Argument(metavar="RUN... IMAGE...", help="Folders of runs, then image files."),
    ],
    identity: Annotated[
        str | None, typer.Option(metavar="NAME", help="Grad-CAM towards this training identity.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Grad-CAM towards likeness to this image.")
    ] = None,
    device: Device = "auto",
    plot: Annotated[Path, typer.Option(metavar="FILE", help="The picture, .png.")] = Path(
        "activation.png"
    ),
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
