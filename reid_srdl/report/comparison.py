"""A comparison as a table, and its verdict in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.records.comparison import Comparison, Difference, Kind, Metric
from reid_srdl.records.coverage import coverage_note
from reid_srdl.report.tables import Column, Row, Table, Value

_NAMES: dict[Metric, str] = {
    "mAP": "mAP",
    "mAP_trapezoid": "mAP (trapezoid)",
    "mINP": "mINP",
    "rank1": "Rank-1",
}


def comparison_table(comparison: Comparison) -> Table:
    """Returns a row for each score, in percent and percentage points."""
    percent = f"{100 * comparison.settings.confidence:g} %"
    columns = (
        Column("kind", "queries"),
        Column("score", "score", unit="%"),
        Column("a", "A", "number"),
        Column("b", "B", "number"),
        Column("difference", "B - A", "number"),
        Column("interval", f"{percent} interval", "number"),
        Column("p", "p", "number"),
        Column("better", "B better", "count"),
        Column("worse", "B worse", "count"),
    )
    kinds = {"single": comparison.single_query, "multi": comparison.multi_query}
    rows = tuple(row for name, kind in kinds.items() if kind for row in _rows(name, kind))
    return Table(verdict(comparison), columns, rows, tuple(_notes(comparison)))


def headline(comparison: Comparison) -> Metric:
    """Returns the score that the verdict rests on: what the rules' own code calls mAP."""
    protocol = comparison.protocol
    return "mAP" if protocol is None else CONVENTIONS[protocol.rules].mean_ap


def verdict(comparison: Comparison) -> str:
    """Says in one sentence whether B differs from A, by single-query mAP.

    A difference is called one where the test rejects chance at 1 - confidence and the interval
    leaves out 0.
    """
    found = comparison.single_query.of(headline(comparison))
    if not found.better and not found.worse:
        return f"A and B do not differ: the same {_NAMES[found.metric]} on every query."
    settings = comparison.settings
    points = 100 * found.difference
    facts = f"({100 * settings.confidence:g} % interval {_interval(found)}, p = {_p(found)})"
    if found.p < 1 - settings.confidence and not found.low <= 0 <= found.high:
        better, worse = ("B", "A") if points > 0 else ("A", "B")
        return (
            f"{better} is better: its {_NAMES[found.metric]} is {abs(points):.2f} points above "
            f"{worse}'s, B - A = {points:+.2f} {facts}."
        )
    return f"The difference can be chance: {_NAMES[found.metric]}, B - A = {points:+.2f} {facts}."


def _rows(name: str, kind: Kind) -> Iterator[Row]:
    for place, metric in enumerate(_NAMES):
        for found in kind.scores:
            if found.metric == metric:
                values: dict[str, Value] = {
                    "kind": name if place == 0 else "",
                    "score": _NAMES[metric],
                    "a": f"{100 * found.a:.2f}",
                    "b": f"{100 * found.b:.2f}",
                    "difference": f"{100 * found.difference:+.2f}",
                    "interval": _interval(found),
                    "p": _p(found),
                    "better": found.better,
                    "worse": found.worse,
                }
                yield Row(values, separator=place == 0)


def _interval(found: Difference) -> str:
    return f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"


def _p(found: Difference) -> str:
    return f"{found.p:.2g}"


def _notes(comparison: Comparison) -> Iterator[str]:
    settings, single = comparison.settings, comparison.single_query
    yield f"A: {comparison.a}"
    yield f"B: {comparison.b}"
    units = "identities with all their queries" if settings.by == "identity" else "queries"
    kinds = {"single": single, "multi": comparison.multi_query}
    told = ", ".join(
        f"{kind.units:,} for {kind.queries:,} {name}-queries"
        for name, kind in kinds.items()
        if kind is not None
    )
    yield f"drawn: {units} ({told}); {settings.resamples:,} resamples, seed {settings.seed}"
    fewest = min(kind.units for kind in kinds.values() if kind is not None)
    if settings.by == "identity" and (few := coverage_note(fewest)):
        yield few
    if settings.by == "query":
        yield "queries of one identity are not independent: these intervals may be too narrow"
    intervals = sorted({s.interval for kind in kinds.values() if kind for s in kind.scores})
    yield (
        f"interval: {' or '.join(intervals)} bootstrap; p: two-sided permutation test; neither is "
        "corrected for looking at several scores"
    )
    yield (
        "this compares two networks on such queries; to compare two methods, train several seeds "
        "(reid-srdl leaderboard)"
    )
    if comparison.protocol is not None:
        yield f"rules: {comparison.protocol.rules}"
