"""A finished run in a few lines."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

from rich.console import Console

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.records.run import RunRecord
from reid_srdl.report.classes import class_table
from reid_srdl.report.evaluation import evaluation_table, skipped_warnings
from reid_srdl.report.render import to_rich


def print_run(record: RunRecord, folder: Path, console: Console) -> None:
    """Prints what a run cost, what came out, and where its record stands."""
    cost = record.cost
    took = datetime.timedelta(seconds=round(cost.seconds))
    console.print(
        f"{record.name}: {record.method.label}, {record.model}, {record.parameters:,} parameters, "
        f"{cost.epochs:g} epochs of {cost.images:,} images in {took} "
        f"({cost.images_per_second:.0f} images/s, TrCost {cost.trcost:.3g} x 10^16)",
        soft_wrap=True,
        highlight=False,
    )
    classes: dict[str, ClassScores] = {}
    for name, evaluation in record.results.items():
        if evaluation is None:
            continue
        if isinstance(evaluation, ClassScores):
            classes[name] = evaluation
            continue
        console.print(
            to_rich(evaluation_table(evaluation, f"{name} on {record.dataset.name}"), console)
        )
        for line in skipped_warnings(evaluation):
            print(f"warning: {line}", file=sys.stderr)
    if classes:
        console.print(to_rich(class_table(classes, record.dataset.name), console))
    console.print(f"record: {folder / 'record.json'}", soft_wrap=True, highlight=False)
