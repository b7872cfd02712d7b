"""What a study shows of its methods, as a table and in words."""

from __future__ import annotations

from collections.abc import Iterator

from reid_srdl.records.dunnett import ERROR
from reid_srdl.records.intervals import LEAST_SEEDS
from reid_srdl.records.studies.results import StudyResults
from reid_srdl.records.studies.verdicts import Verdict
from reid_srdl.report.study import METRIC_TITLES, marked_title
from reid_srdl.report.tables import Column, Row, Table


def verdict_table(results: StudyResults) -> Table:
    """Returns a row for each comparison with vanilla or contrast; below in words what holds."""
    against = [one for one in results.verdicts if one.contrast is None]
    apart = len(against) < len(results.verdicts)
    other = "the other" if apart else "vanilla"
    columns = (
        Column("of", "method" if against else "contrast"),
        Column("metric", "metric"),
        Column("difference", f"over {other}", "number", "points"),
        Column("interval", f"{100 * results.confidence:g} % interval", "number"),
        Column("effect", "effect", "number", "sd"),
        Column("work", f"x {other}", "number", group="work"),
        Column("p", "paired t", "number", "", "p"),
        Column("p_holm", "Holm", "number", "", "p"),
        Column("p_dunnett", "Dunnett", "number", "", "p"),
        Column("seeds", "seeds", "number"),
        Column("holds", "verdict"),
    )
    rows = tuple(
        Row(
            {
                "of": one.contrast or one.label,
                "metric": METRIC_TITLES[one.metric],
                "difference": f"{100 * one.difference.mean:+.2f}",
                "interval": _interval(one),
                "effect": None if one.effect is None else f"{one.effect:+.2f}",
                "work": None if one.work is None else f"{one.work:.3f}",
                "p": _p(one.p),
                "p_holm": _p(one.p_holm),
                "p_dunnett": _p(one.p_dunnett, ERROR),
                "seeds": len(one.seeds),
                "holds": one.holds or "none",
            }
        )
        for one in results.verdicts
    )
    parts = ["each method against vanilla of the same setting"] if against else []
    parts += ["its contrasts"] if apart else []
    title = marked_title(f"{results.plan.study.title}: {', '.join(parts)}", results.plan.scale)
    return Table(title, columns, rows, tuple(_notes(results)))


def in_words(one: Verdict, confidence: float) -> str:
    """Returns what a comparison shows, as a sentence."""
    what, over = METRIC_TITLES[one.metric], one.over_label
    mean = 100 * one.difference.mean
    told = f"{mean:+.2f} points of {what}"
    if (interval := _interval(one)) is not None:
        told += f", {100 * confidence:g} % interval {interval}"
    if one.holds is None:
        why = f"fewer than {LEAST_SEEDS} seeds"
        if len(one.seeds) >= LEAST_SEEDS:
            why = "its differences do not vary, so that there is nothing to test"
        return f"{one.label} against {over}: {told}; no verdict: {why}"
    told += f", p {_p(one.p_holm)} by Holm"
    if one.p_dunnett is not None:
        told += f", {_p(one.p_dunnett, ERROR)} by Dunnett"
    if one.holds == "not shown":
        return f"{one.label}: no difference is shown from {over}: {told}"
    told += "" if one.effect is None else f"; {abs(one.effect):.1f} standard deviations of {over}"
    return f"{one.label} is {one.holds} than {over}: {told}"


def _notes(results: StudyResults) -> Iterator[str]:
    for one in results.verdicts:
        yield in_words(one, results.confidence)
    compared = max(one.compared for one in results.verdicts)
    them = "comparison" if compared == 1 else "comparisons"
    yield (
        "differences: means over pairs of runs of one seed, interval by Student's t; effect: over "
        "the standard deviation of vanilla, or of a contrast's other cell; work: of both passes, "
        "finished teachers included; "
        f"Holm: over {compared} {them} in a metric, all of the study's; Dunnett: not paired, cells "
        "of one run taken as independent; "
        f"verdicts by Holm at {1 - results.confidence:.2g}, from {LEAST_SEEDS} seeds on"
    )


def _interval(one: Verdict) -> str | None:
    low, high = one.difference.low, one.difference.high
    return None if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}"


def _p(value: float | None, error: float = 0.0) -> str | None:
    if value is None:
        return None
    return f"below {error:.0e}" if value < error else f"{value:.2g}"
