"""``reid-srdl export``: a run's network as a file for other software."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reid_srdl.cli.generated import with_options
from reid_srdl.cli.options import FinishedRun
from reid_srdl.config.option import OUTPUT, WHERE

EXAMPLE = (
    "Examples:  reid-srdl export runs/NAME -o model.onnx   |   "
    "reid-srdl export runs/NAME --network first --logits -o first.pt2"
)


@with_options("eval", only={"data.dir": WHERE}, default="the run's own, or {default}")
def export(
    given: dict[str, Any],
    run: FinishedRun,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file: .onnx, or .pt2 for torch.export.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("model.onnx"),
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of the run's networks, or of its phases'; default: its result.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    logits: Annotated[
        bool,
        typer.Option("--logits", help="Give logits instead of features.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Write a run's network as a file that needs none of this project's code.

    A graph takes N x 3 x H x W float32 images in 0..1, RGB, already resized; normalising is inside,
    N is free. It is compared with the network on 32 images of the run's data set, and kept if no
    answer differs by more than 1e-4 of its size. FILE.json beside it says what it takes and gives.
    """
    from reid_srdl.places import check_output
    from reid_srdl.report.export import print_graph

    check_output(output, "the exported network")
    from reid_srdl.jobs.export.graph import export_graph

    facts, note = export_graph(
        run,
        output,
        network=network,
        answer="logits" if logits else "features",
        data_dir=given.get("data.dir"),
    )
    print_graph(output, facts, note)
