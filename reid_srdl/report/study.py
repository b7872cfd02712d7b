"""A study's numbers beside the published ones, as tables for people."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from reid_srdl.records.intervals import LEAST_SEEDS, Estimate
from reid_srdl.records.studies.progress import OnQueue
from reid_srdl.records.studies.results import ContrastScore, Score, StudyResults
from reid_srdl.records.studies.schema import Study
from reid_srdl.report.analysis import width_table
from reid_srdl.report.tables import MISSING, Column, Row, Table, Value

NOT_RUN = "not run"
METRIC_TITLES = {
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


def marked_title(title: str, scale: float) -> str:
    """Returns a title that tells a rehearsal."""
    mark = rehearsal(scale)
    return title if mark is None else f"{title} ({mark})"


def study_summary(study: Study) -> str:
    """Returns a study's title and size, in one line."""
    runs = len(study.cells) * len(study.seeds)
    return f"{study.title} ({len(study.cells)} cells, up to {runs} runs)"


def study_facts(study: Study) -> dict[str, object]:
    """Returns the same as plain values."""
    return {"title": study.title, "cells": list(study.cells), "seeds": list(study.seeds)}


def study_tables(results: StudyResults) -> list[Table]:
    """Returns the study's table and, where widths were measured, theirs."""
    tables = [study_table(results)]
    if results.widths:
        widths = width_table(list(results.widths.values()))
        title = marked_title(widths.title, results.plan.scale)
        tables.append(Table(title, widths.columns, widths.rows, widths.notes))
    return tables


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
    title = marked_title(results.plan.study.title, results.plan.scale)
    return Table(title, columns, rows, tuple(_notes(results)))


def queue_table(runs: Sequence[OnQueue]) -> Table:
    """Returns where runs stand that were sent to SLURM: a row for each that is not finished."""
    columns = (
        Column("run", "run"),
        Column("state", "state"),
        Column("job", "job"),
        Column("told", "why"),
        Column("log", "log"),
    )
    rows = tuple(
        Row(
            {
                "run": one.run,
                "state": one.state,
                "job": one.job,
                "told": one.told or None,
                "log": str(one.log) if one.state in ("running", "failed") else None,
            }
        )
        for one in runs
        if one.state != "finished"
    )
    done = sum(one.state == "finished" for one in runs)
    return Table("On SLURM", columns, rows, (f"{done} of {len(runs)} jobs' runs are finished",))


def _cell_rows(results: StudyResults) -> Iterator[Row]:
    wanted = len(results.plan.seeds)
    for cell in results.cells:
        cost: dict[str, Value] = {
            "cell": cell.plan.cell.label,
            "seeds": f"{len(cell.seeds)} of {wanted}",
            "trcost": cell.trcost,
            "quoted": _as_printed(cell.plan.cell.quoted.trcost, 2),
            "seconds": _duration(cell.seconds),
            "final_ce": cell.final_ce,
            "final_ce_quoted": _as_printed(cell.plan.cell.quoted.final_ce, 4),
        }
        if not cell.scores:
            yield Row(cost | {"metric": MISSING, "measured": NOT_RUN})
        for index, score in enumerate(cell.scores):
            values: dict[str, Value] = {
                "metric": _metric(score),
                "published": _points(score.published),
                "measured": _mean(score.measured),
                "interval": _interval(score.measured),
                "difference": _points(score.difference, sign="+"),
            }
            first = index == 0
            yield Row((cost if first else {}) | values, separator=first and len(cell.scores) > 1)


def _contrast_rows(results: StudyResults) -> Iterator[Row]:
    full = results.plan.scale == 1
    for place, result in enumerate(results.contrasts):
        for index, score in enumerate(result.scores):
            beside = None
            if full and score.measured is not None and score.published is not None:
                beside = score.measured.mean - score.published
            values: dict[str, Value] = {
                "metric": _metric(score),
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
            values: dict[str, Value] = {
                "metric": METRIC_TITLES[metric],
                "published": f"{value:.2f}",
            }
            if index == 0:
                values |= {"cell": f"{row.label} (quoted)"}
            yield Row(values, separator=place == index == 0)


def _notes(results: StudyResults) -> Iterator[str]:
    mark = rehearsal(results.plan.scale)
    if mark is not None:
        yield mark
    yield (
        "ours: mean ± standard deviation over seeds (number of seeds); interval: Student's t; "
        "gains: differences of runs of one seed; p of the paired t-test, two-sided, from "
        f"{LEAST_SEEDS} seeds on"
    )
    if any(cell.plan.cell.quoted.trcost is not None for cell in results.cells):
        yield (
            "TrCost: ours counts multiply-accumulates, knowledge extraction and teachers "
            "included; the paper's follows no single convention and is only quoted"
        )
    if any(cell.plan.cell.quoted.final_ce is not None for cell in results.cells):
        yield "final CE: training cross-entropy of the last epoch"
    yield from results.notes


def _metric(score: Score | ContrastScore) -> str:
    """Returns a metric's name, with the set that it was measured on where there are several."""
    name = METRIC_TITLES[score.metric]
    return name if score.dataset is None else f"{name}, {score.dataset}"


def _as_printed(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


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
