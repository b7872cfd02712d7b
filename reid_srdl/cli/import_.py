"""``reid-srdl import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reid_srdl.cli.options import Channels, Normalisation, Told
from reid_srdl.config.option import OUTPUT, TESTED

EXAMPLE = (
    "Example: reid-srdl import model-best.pth.tar --model torchreid:osnet_x1_0 --name zoo, then: "
    "reid-srdl eval runs/zoo --dataset market1501 --data-dir DIR"
)


def import_(
    file: Annotated[Path, typer.Argument(help="Weights of another code.", show_default=False)],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=TESTED,
            help="Which network it is: resnet50, densenet121, resnet32, torchvision:NAME, "
            "timm:NAME or torchreid:NAME; onnx for an ONNX file.",
        ),
    ],
    name: Annotated[str, typer.Option(rich_help_panel=OUTPUT, help="The run's name.")],
    height: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=4096,
            metavar="PIXELS",
            rich_help_panel=TESTED,
            help="Of its input; default: its code's, else 256.",
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=4096,
            metavar="PIXELS",
            rich_help_panel=TESTED,
            help="Of its input; default: its code's, else 128.",
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=TESTED,
            help="The names of its classes, one a line, by the classifier's rows: for a teacher.",
        ),
    ] = None,
    told: Told = None,
    normalisation: Normalisation = None,
    channels: Channels = None,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", rich_help_panel=OUTPUT, help="Folder of the runs.")
    ] = Path("runs"),
) -> None:
    """Make a run's folder of a network that others trained, which all other commands take.

    Read are files of torchvision, timm, torchreid, fast-reid, reid-strong-baseline, layumi and
    akamaster, told by their keys; nothing in them is executed. The record claims no training.
    """
    from reid_srdl.jobs.foreign_file import ForeignFile, told_of
    from reid_srdl.jobs.importing import import_network
    from reid_srdl.report.imported import print_imported

    words = {"normalisation": normalisation, "channels": channels}
    asked = ForeignFile(file, model, height, width, classes, told_of(told or [], words))
    done = import_network(asked, runs=runs, name=name)
    print_imported(done.record, done.folder)
