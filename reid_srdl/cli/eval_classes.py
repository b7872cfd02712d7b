"""``reid-srdl eval`` of a classification run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reid_srdl.errors import UserError

_KNOWN = {"flip", "batch_size"}


def is_classification(run: Path) -> bool:
    """Says whether a run was trained for classification.

    Raises:
        UserError: this is no run folder.
    """
    from reid_srdl.data import find_entry
    from reid_srdl.methods import OPTIONS
    from reid_srdl.records.folder import RunFolder

    return find_entry(RunFolder(run).read_config(OPTIONS).data.name).task == "classification"


def evaluate_run(
    run: Path, data_dir: Path | None, changes: dict[str, Any], device: str, as_json: bool
) -> None:
    """Evaluates the run's networks on the test images and prints the scores.

    Args:
        run: the run's folder.
        data_dir: the data set's folder.
        changes: options that were given; only ``flip`` and ``batch_size`` say something here.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        as_json: print JSON alone.

    Raises:
        UserError: an option of re-id; or as `jobs.evaluate.evaluate_classes`.
    """
    if foreign := sorted(changes.keys() - _KNOWN):
        named = ", ".join(f"--{key.replace('_', '-')}" for key in foreign)
        raise UserError(
            f"{named}: says nothing about a classification run",
            "leave it out: classification has top-1, top-5 and cross-entropy",
            usage=True,
        )
    from reid_srdl.jobs.evaluate import evaluate_classes
    from reid_srdl.report.classes import class_table
    from reid_srdl.report.progress import Display

    with Display(0) as display:
        scores, kept = evaluate_classes(
            run, data_dir=data_dir, device=device, steps=display.steps, **changes
        )
    if as_json:
        tree = {name: score.model_dump(mode="json") for name, score in scores.items()}
        print(json.dumps(tree, indent=2))
        return
    from rich.console import Console

    from reid_srdl.report.render import to_rich

    console = Console()
    console.print(to_rich(class_table(scores, str(run)), console))
    console.print(f"record: {kept}", soft_wrap=True, highlight=False)
