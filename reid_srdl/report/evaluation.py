"""An evaluation as a table for people, the rules that it followed below it."""

from __future__ import annotations

from reid_srdl.report.tables import Column, Row, Table, Value
from reid_srdl.retrieval.result import Evaluation, Rules, Scores

_COLUMNS = (
    Column("query", "query"),
    Column("rank1", "Rank-1", "percent", "%"),
    Column("rank5", "Rank-5", "percent", "%"),
    Column("rank10", "Rank-10", "percent", "%"),
    Column("rank20", "Rank-20", "percent", "%"),
    Column("mAP", "mAP", "percent", "%"),
    Column("mAP_trapezoid", "mAP trapezoid", "percent", "%"),
    Column("mINP", "mINP", "percent", "%"),
    Column("queries", "queries", "count"),
    Column("skipped", "skipped", "count"),
)


def evaluation_table(evaluation: Evaluation, title: str) -> Table:
    """Returns one row for single-query and, with hand-drawn boxes, one for multi-query."""
    rows = [_row("single", evaluation.single_query)]
    if evaluation.multi_query is not None:
        rows.append(_row("multi", evaluation.multi_query))
    return Table(title, _COLUMNS, tuple(rows), rule_notes(evaluation.protocol))


def rule_notes(rules: Rules) -> tuple[str, ...]:
    """Returns the rules in words, a line each."""
    how = "L2-normalised" if rules.normalize else "raw"
    return (
        f"{rules.distance} distance on {how} features; multi-query boxes pooled by {rules.pooling}",
        f"{rules.junk}; {rules.same_camera}; {rules.ties}",
        rules.ap,
    )


def skipped_warnings(evaluation: Evaluation) -> list[str]:
    """Returns a line for each kind of query of which some were left out."""
    parts = {"single-query": evaluation.single_query, "multi-query": evaluation.multi_query}
    return [
        f"{name}: {scores.skipped} of {scores.queries + scores.skipped} queries have no match "
        "in the gallery (or no box) and are left out"
        for name, scores in parts.items()
        if scores is not None and scores.skipped
    ]


def _row(name: str, scores: Scores) -> Row:
    values: dict[str, Value] = {"query": name, **scores.model_dump()}
    return Row(values)
