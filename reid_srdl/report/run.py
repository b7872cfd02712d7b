"""A finished run in a few lines."""

from __future__ import annotations

import datetime
from pathlib import Path

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.records.kept import kept_name
from reid_srdl.records.run import RunRecord
from reid_srdl.report.classes import class_table
from reid_srdl.report.evaluation import evaluation_table, skipped_warnings
from reid_srdl.report.joint import joint_table
from reid_srdl.report.say import say, show, show_json, tell
from reid_srdl.report.verification import verification_tables
from reid_srdl.retrieval.result import Evaluation


def print_run(record: RunRecord, folder: Path, *, as_json: bool = False) -> None:
    """Prints what a run cost, what came out, and where its record stands.

    As JSON alone: the record without the results of single queries, which its file holds.
    """
    if as_json:
        left_out = {"evaluations": {"__all__": {"per_query"}}}
        tree = record.model_dump(mode="json", exclude=left_out)
        return show_json({"record": str(folder / "record.json"), **tree})
    cost = record.cost
    took = datetime.timedelta(seconds=round(cost.seconds))
    say(
        f"{record.name}: {record.method.label}, {record.model}, {record.parameters:,} parameters, "
        f"{cost.epochs:g} epochs of {cost.images:,} images in {took} "
        f"({cost.images_per_second:.0f} images/s; TrCost {cost.trcost:.3g} x 10^16 of forward "
        f"passes, {record.true_work.cost:.3g} x 10^16 with backward passes)"
    )
    classes: dict[str, ClassScores] = {}
    for one in record.evaluations:
        evaluation = one.result
        if isinstance(evaluation, ClassScores):
            classes[one.network] = evaluation
        elif evaluation is not None:
            if not record.dataset.parts:
                title = f"{one.network} on {record.dataset.title}"
                show(evaluation_table(evaluation, title), *verification_tables(evaluation))
            for line in skipped_warnings(evaluation):
                tell(f"warning: {line}")
    if record.dataset.parts and record.result is not None:
        found = [(one.data.name, one.network, one.result) for one in record.evaluations]
        judged = [
            (name, network, one) for name, network, one in found if isinstance(one, Evaluation)
        ]
        show(joint_table(judged, record.dataset.title))
    if classes:
        show(class_table(classes, record.dataset.title))
    for phase in record.phases:
        for name, facts in phase.networks.items():
            if facts.best is not None:
                best = facts.best
                told = f"epoch {best.epoch} of {phase.epochs:g}, {best.score:.1%} on the validation"
                say(f"{kept_name(name, 'best')}: {told} part")
    for mark in record.marks:
        tell(f"warning: {mark}")
    say(f"record: {folder / 'record.json'}")
