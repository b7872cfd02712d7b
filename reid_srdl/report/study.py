"""A study's numbers beside the published ones: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reid_srdl.records.intervals import Estimate
from reid_srdl.records.studies.results import CellResult, ContrastResult, StudyResults
from reid_srdl.report.tables import MISSING, Column, Row, Table, Value

NOT_RUN = "not run"
_METRICS = {
    "top1": "top-1",
    "top5": "top-5",
    "single_rank1": "single Rank-1",
    "single_mAP": "single mAP",
    "multi_rank1": "multi Rank-1",
    "multi_mAP": "multi mAP",
}


def rehearsal(scale: float) -> str | None:
    """Returns how every number of a scaled study is marked; None for a full one."""
    return None if scale == 1 else f"rehearsal at scale {scale:g}: not comparable with the paper"


def study_table(results: StudyResults) -> Table:
    """Returns a row for each metric of each cell, contrasts and quotations below, in percent."""
    percent = f"{100 * results.confidence:g} %"
    mark = rehearsal(results.plan.scale)
    ours = "ours" if mark is None else f"ours, scale {results.plan.scale:g}"
    columns: tuple[Column, ...] = (
        Column("cell", "cell"),
        Column("metric", "metric", unit="%"),
        Column("published", "paper", "number"),
        Column("measured", ours, "number"),
        Column("interval", f"{percent} interval", "number"),
        Column("difference", "ours - paper", "number"),
        Column("p", "p", "number"),
        Column("seeds", "seeds", "number"),
        Column("trcost", "ours", "number", "10¹⁶", "TrCost"),
        Column("quoted", "paper", "number", "10¹⁶", "TrCost"),
        Column("seconds", "time", "number", group="a run"),
    )
    if any(cell.plan.cell.quoted.final_ce is not None for cell in results.cells):
        columns += (
            Column("final_ce", "ours", "number", "nats", "final CE"),
            Column("final_ce_quoted", "paper", "number", "nats", "final CE"),
        )
    rows = (*_cell_rows(results), *_contrast_rows(results), *_quoted_rows(results))
    title = results.plan.study.title + ("" if mark is None else f" ({mark})")
    return Table(title, columns, rows, tuple(_notes(results)))


def _cell_rows(results: StudyResults) -> Iterator[Row]:
    wanted = len(results.plan.seeds)
    for cell in results.cells:
        cost: dict[str, Value] = {
            "cell": cell.plan.cell.label,
            "seeds": f"{len(cell.seeds)} of {wanted}",
            "trcost": cell.trcost,
            "quoted": cell.plan.cell.quoted.trcost,
            "seconds": _duration(cell.seconds),
            "final_ce": cell.final_ce,
            "final_ce_quoted": cell.plan.cell.quoted.final_ce,
        }
        if not cell.scores:
            yield Row(cost | {"metric": MISSING, "measured": NOT_RUN})
        for index, score in enumerate(cell.scores):
            values: dict[str, Value] = {
                "metric": _METRICS[score.metric],
                "published": _points(score.published),
                "measured": _mean(score.measured),
                "interval": _interval(score.measured),
                "difference": _points(score.difference, sign="+"),
            }
            first = index == 0
            yield Row((cost if first else {}) | values, separator=first and len(cell.scores) > 1)


def _contrast_rows(results: StudyResults) -> Iterator[Row]:
    for place, result in enumerate(results.contrasts):
        for index, score in enumerate(result.scores):
            beside = None
            if score.measured is not None and score.published is not None:
                beside = score.measured.mean - score.published
            values: dict[str, Value] = {
                "metric": _METRICS[score.metric],
                "published": _points(score.published, sign="+"),
                "measured": _mean(score.measured, sign="+"),
                "interval": _interval(score.measured, sign="+"),
                "difference": _points(beside, sign="+"),
                "p": None if score.p is None else f"{score.p:.2g}",
            }
            if index == 0:
                values |= {
                    "cell": f"gain: {result.contrast.label}",
                    "seeds": f"{len(result.seeds)} of {len(results.plan.seeds)}",
                }
            apart = index == 0 and (place == 0 or len(result.scores) > 1)
            yield Row(values, gain=True, separator=apart)


def _quoted_rows(results: StudyResults) -> Iterator[Row]:
    for place, row in enumerate(results.quotations):
        for index, (metric, value) in enumerate(row.published.items()):
            values: dict[str, Value] = {"metric": _METRICS[metric], "published": f"{value:.2f}"}
            if index == 0:
                values |= {"cell": f"{row.label} (quoted)"}
            yield Row(values, separator=place == index == 0)


def _notes(results: StudyResults) -> Iterator[str]:
    mark = rehearsal(results.plan.scale)
    if mark is not None:
        yield mark
    yield (
        "ours: mean ± standard deviation over seeds (number of seeds); interval: Student's t; "
        "gains: differences of runs of one seed, p of the paired t-test, two-sided"
    )
    if any(cell.plan.cell.quoted.trcost is not None for cell in results.cells):
        yield (
            "TrCost: ours counts multiply-accumulates, knowledge extraction and teachers "
            "included; the paper's follows no single convention and is only quoted"
        )
    if any(cell.plan.cell.quoted.final_ce is not None for cell in results.cells):
        yield "final CE: training cross-entropy of the last epoch"
    yield from results.notes


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
            entry = {"cell": row.label, "label": row.label, "quotation": True}
            rows.append(Row(_flat(results, entry, {"metric": metric, "published": value / 100})))
    return Table(results.plan.study.title, columns, tuple(rows))


def _csv_keys() -> tuple[str, ...]:
    about = ("study", "scale", "rehearsal", "cell", "label", "dataset", "network", "method")
    scores = ("metric", "published", "mean", "sd", "n", "low", "high", "difference", "p")
    costs = ("trcost", "trcost_published", "seconds", "final_ce", "final_ce_published")
    return (*about, *scores, "seeds_wanted", "seeds", *costs)


def _flat(results: StudyResults, entry: dict[str, Any], score: dict[str, Any]) -> dict[str, Value]:
    plan = results.plan
    whole = {
        "study": plan.study.name,
        "scale": plan.scale,
        "rehearsal": "yes" if plan.scale != 1 else "no",
        **entry,
        **score,
        **(score.get("measured") or {}),
        "seeds": " ".join(map(str, entry.get("seeds", ()))),
        "seeds_wanted": " ".join(map(str, plan.seeds)),
    }
    return {key: whole.get(key) for key in _csv_keys()}


def study_json(results: StudyResults) -> dict[str, Any]:
    """Returns a study as plain values: fractions from 0 to 1, costs in 10^16, times in seconds."""
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
        "not_run": list(results.missing),
        "notes": list(results.notes),
    }


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
        "scores": [asdict(score) for score in result.scores],
    }


def _contrast_json(result: ContrastResult) -> dict[str, Any]:
    contrast = result.contrast
    return {
        "cell": f"{contrast.of} - {contrast.over}",
        "label": contrast.label,
        "of": contrast.of,
        "over": contrast.over,
        "seeds": list(result.seeds),
        "scores": [asdict(score) for score in result.scores],
    }


def _points(value: float | None, sign: str = "") -> str | None:
    return None if value is None else f"{100 * value:{sign}.2f}"


def _mean(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return NOT_RUN
    deviation = "" if found.sd is None else f" ± {100 * found.sd:.2f}"
    return f"{100 * found.mean:{sign}.2f}{deviation} ({found.n})"


def _interval(found: Estimate | None, sign: str = "") -> str | None:
    if found is None or found.low is None or found.high is None:
        return None
    return f"{100 * found.low:{sign}.2f} to {100 * found.high:{sign}.2f}"


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else str(datetime.timedelta(seconds=round(seconds)))
