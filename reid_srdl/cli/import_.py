"""``reid-srdl import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_srdl.config.option import OUTPUT, TESTED
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import argument, option

EXAMPLE = (
    "Example: reid-srdl import model-best.pth.tar --model torchreid:osnet_x1_0 --name zoo, then: "
    "reid-srdl eval runs/zoo --dataset market1501 --data-dir DIR"
)

_TOLD = ("told", "normalisation", "channels")


def _pixels(else_: int) -> Any:
    text = f"Of its input; default: its code's, else {else_}."
    return option(TESTED, text, "PIXELS", min=16, max=4096)


@with_options("eval", only=dict.fromkeys(_TOLD, TESTED), own=EvalLine)
def import_(
    given: dict[str, Any],
    file: Annotated[Path, argument("Weights of another code.")],
    model: Annotated[
        str,
        option(
            TESTED,
            "Which network it is: resnet50, densenet121, resnet32, torchvision:NAME, timm:NAME or "
            "torchreid:NAME; onnx for an ONNX file.",
            "NAME",
        ),
    ],
    name: Annotated[str, option(OUTPUT, "The run's name.")],
    height: Annotated[int | None, _pixels(256)] = None,
    width: Annotated[int | None, _pixels(128)] = None,
    classes: Annotated[
        Path | None,
        option(
            TESTED,
            "The names of its classes, one a line, by the logits' order: for a teacher, and to be "
            "judged on classes; an ONNX file gives logits then.",
            "FILE",
        ),
    ] = None,
    runs: Annotated[Path, option(OUTPUT, "Folder of the runs.", "DIR")] = Path("runs"),
) -> None:
    """Make a run's folder of a network that others trained, which all other commands take.

    Read are files of torchvision, timm, torchreid, fast-reid, reid-strong-baseline, layumi and
    akamaster, told by their keys; nothing in them is executed. The record claims no training.
    """
    from reid_srdl.jobs.foreign_file import ForeignFile, told_of
    from reid_srdl.jobs.importing import import_network
    from reid_srdl.report.imported import print_imported

    told = told_of(given.pop("told", ()), given)
    asked = ForeignFile(file, model, height, width, classes, told)
    done = import_network(asked, runs=runs, name=name)
    print_imported(done.record, done.folder)
