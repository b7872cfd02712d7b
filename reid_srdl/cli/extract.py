"""``reid-srdl extract``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from reid_srdl.config.marked import section
from reid_srdl.config.option import ENGINE, TESTED
from reid_srdl.jobs.eval_options import EvalLine
from reid_srdl.shell.generated import with_options
from reid_srdl.shell.options import Device, FinishedRun, option, written

EXAMPLE = "Example: reid-srdl extract runs/NAME --data-dir DIR -o features.npz"


@with_options(
    "eval",
    only={"data.name": TESTED, "data.dir": TESTED, "eval.flip": ENGINE, "eval.batch_size": ENGINE}
    | {"distractors": TESTED},
    own=EvalLine,
    default="the run's own, or {default}",
)
def extract(
    given: dict[str, Any],
    run: FinishedRun,
    output: Annotated[
        Path,
        written(
            "The .npz file to write; a name without an ending: a folder of .npy files.", TESTED
        ),
    ] = Path("features.npz"),
    split: Annotated[
        int | None,
        option(
            *(TESTED, "Which division, where the data set has several; default: the run's, or 0."),
            *("N",),
            min=0,
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Write the features of a data set's query, gallery and boxes, as a run's network sees them.

    The file or folder is what reid-srdl eval --features reads, and what other software can read
    with NumPy.
    """
    from reid_srdl.feature_files.reading import check_output, save_features

    check_output(output)
    from reid_srdl.jobs.extract import features_of_run
    from reid_srdl.report.progress import Display
    from reid_srdl.report.say import say

    with Display() as display:
        features, _ = features_of_run(
            run,
            dataset=given.get("data.name"),
            data_dir=given.get("data.dir"),
            split=split,
            distractors=given.get("distractors"),
            **section(given, "eval"),
            device=device,
            steps=display.steps,
            noted=display.noted,
        )
    save_features(output, features)
    counts = ", ".join(f"{len(part)} {name}" for name, part in features.parts())
    say(f"{output}: {counts}, {features.query.features.shape[1]} dimensions")
