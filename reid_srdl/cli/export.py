"""``reid-srdl export``: a run's network as a file for other software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from reid_srdl.config.option import OUTPUT, WHERE
from reid_srdl.errors import UserError
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import FinishedRun, option, written

if TYPE_CHECKING:
    from reid_srdl.records.exported import Answer

EXAMPLE = (
    "Examples:  reid-srdl export runs/NAME -o model.onnx   |   "
    "reid-srdl export runs/NAME --to torchreid -o model.pth.tar"
)


@with_options(
    "eval",
    only={"data.name": WHERE, "data.dir": WHERE},
    default="the run's own, or {default}",
)
def export(
    given: dict[str, Any],
    run: FinishedRun,
    output: Annotated[
        Path, written("The file: .onnx, .pt2 for torch.export, .pth.tar for torchreid.")
    ] = Path("model.onnx"),
    network: Annotated[
        str | None,
        option(OUTPUT, "Which network of the run, such as first; default: its result.", "NAME"),
    ] = None,
    logits: Annotated[
        bool, option(OUTPUT, "Give logits instead of features.", flags="--logits")
    ] = False,
    to: Annotated[
        Literal["any", "torchreid"],
        option(
            OUTPUT,
            "any: a graph, pixels in and features out. torchreid: weights for its "
            "load_pretrained_weights.",
        ),
    ] = "any",
) -> None:
    """Write a run's network as a file that needs none of this project's code.

    A graph takes N x 3 x H x W float32 images in 0..1, RGB, already resized, for any N, and
    normalises them itself. It is compared with the network on 32 images of the data set, and kept
    only if no output differs by more than 1e-4 of its largest value. FILE.json beside it describes
    inputs and outputs.
    """
    from reid_srdl.places import check_output
    from reid_srdl.report.export import print_graph, print_weights

    check_output(output, "the exported network")
    tried = {"dataset": given.get("data.name"), "data_dir": given.get("data.dir")}
    if to == "torchreid":
        if logits:
            what = "--logits: says nothing about torchreid, whose code decides that"
            raise UserError(what, "leave it out", usage=True)
        from reid_srdl.jobs.export.torchreid import export_torchreid

        print_weights(output, *export_torchreid(run, output, network=network, **tried))
        return
    from reid_srdl.jobs.export.graph import export_graph

    answer: Answer = "logits" if logits else "features"
    written = export_graph(run, output, network=network, answer=answer, **tried)
    print_graph(output, *written)
