"""A study as plain values: JSON, and rows for CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reid_srdl.records.analyses import Width
from reid_srdl.records.studies.progress import OnQueue
from reid_srdl.records.studies.results import (
    CellResult,
    ContrastResult,
    ContrastScore,
    Score,
    StudyResults,
)
from reid_srdl.report.study import NOT_RUN, rehearsal
from reid_srdl.report.tables import Column, Row, Table, Value
from reid_srdl.report.verdicts import in_words


def study_csv_table(results: StudyResults) -> Table:
    """Returns the same rows with raw fractions, for `report.render.to_csv`."""
    columns = tuple(Column(key, key) for key in _csv_keys())
    rows = []
    for entry in study_json(results)["cells"]:
        rows += [Row(_flat(results, entry, score)) for score in entry["scores"] or [{}]]
    for entry in study_json(results)["contrasts"]:
        rows += [Row(_flat(results, entry, score), gain=True) for score in entry["scores"]]
    for row in results.quotations:
        for metric, value in row.published.items():
            entry = {"cell": row.label, "label": row.label, "quotation": "yes"}
            rows.append(Row(_flat(results, entry, {"metric": metric, "published": value / 100})))
    return Table(results.plan.study.title, columns, tuple(rows))


def _csv_keys() -> tuple[str, ...]:
    about = ("study", "scale", "rehearsal", "cell", "label", "quotation")
    what = ("dataset", "network", "method")
    scores = (
        "metric",
        "judged_on",
        "published",
        "mean",
        "sd",
        "n",
        "low",
        "high",
        "difference",
        "p",
    )
    costs = ("trcost", "trcost_published", "seconds", "final_ce", "final_ce_published")
    return (*about, *what, *scores, "seeds_wanted", "seeds", *costs)


def _flat(results: StudyResults, entry: dict[str, Any], score: dict[str, Any]) -> dict[str, Value]:
    plan = results.plan
    whole = {
        "study": plan.study.name,
        "scale": plan.scale,
        "rehearsal": "yes" if plan.scale != 1 else "no",
        "quotation": "no",
        **entry,
        **score,
        **(score.get("measured") or {}),
        "seeds": " ".join(map(str, entry.get("seeds", ()))),
        "seeds_wanted": " ".join(map(str, plan.seeds)),
    }
    return {key: whole.get(key) for key in _csv_keys()}


def study_json(results: StudyResults, sent: Sequence[OnQueue] = ()) -> dict[str, Any]:
    """Returns a study as plain values: fractions from 0 to 1, costs in 10^16, times in seconds.

    Args:
        results: the study's.
        sent: where runs stand that were sent to SLURM.
    """
    plan = results.plan
    return {
        "study": plan.study.name,
        "title": plan.study.title,
        "scale": plan.scale,
        "rehearsal": rehearsal(plan.scale),
        "confidence": results.confidence,
        "seeds": list(plan.seeds),
        "cells": [_cell_json(cell) for cell in results.cells],
        "contrasts": [_contrast_json(contrast) for contrast in results.contrasts],
        "quotations": [
            {"label": row.label, "published": {k: v / 100 for k, v in row.published.items()}}
            for row in results.quotations
        ],
        "verdicts": [
            {**asdict(one), "words": in_words(one, results.confidence)} for one in results.verdicts
        ],
        "widths": [_width_json(name, width) for name, width in results.widths.items()],
        "not_run": list(results.missing),
        "on_slurm": [{**asdict(one), "log": str(one.log)} for one in sent],
        "notes": list(results.notes),
    }


def _score_json(score: Score | ContrastScore) -> dict[str, Any]:
    tree = asdict(score)
    judged_on = tree.pop("dataset")  # beside the cell's own data set
    return {**tree, "judged_on": judged_on}


def _cell_json(result: CellResult) -> dict[str, Any]:
    config = result.plan.config
    return {
        "cell": result.plan.name,
        "label": result.plan.cell.label,
        "dataset": config.data.name,
        "network": config.model.name,
        "method": config.method.name,
        "epochs": config.train.epochs,
        "result": result.plan.cell.result,
        "state": "run" if result.seeds else NOT_RUN,
        "seeds": list(result.seeds),
        "runs": list(result.runs),
        "parameters": result.parameters,
        "trcost": result.trcost,
        "trcost_published": result.plan.cell.quoted.trcost,
        "seconds": result.seconds,
        "final_ce": result.final_ce,
        "final_ce_published": result.plan.cell.quoted.final_ce,
        "scores": [_score_json(score) for score in result.scores],
    }


def _contrast_json(result: ContrastResult) -> dict[str, Any]:
    contrast = result.contrast
    return {
        "cell": f"{contrast.of} - {contrast.over}",
        "label": contrast.label,
        "of": contrast.of,
        "over": contrast.over,
        "seeds": list(result.seeds),
        "scores": [_score_json(score) for score in result.scores],
    }


def _width_json(name: str, width: Width) -> dict[str, Any]:
    return {
        "run": name,
        "distances": list(width.settings.distances),
        "directions": width.settings.directions,
        "images": width.images,
        "mean": {split: width.mean(split) for split in width.losses},
        "sd": {split: width.deviation(split) for split in width.losses},
    }
