"""Verification as a table for people: rates and thresholds by false positive rate."""

from __future__ import annotations

from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.retrieval.result import Evaluation, OperatingPoint, Verification

_COLUMNS = (
    Column("asked", "FPR at most", "number"),
    Column("tpr", "TPR", "number", "%"),
    Column("tpr_interval", "interval", "number", "%"),
    Column("threshold", "threshold", "number"),
    Column("threshold_interval", "interval", "number"),
)
_MEASURES = {"cosine": "1 - cos", "given": "distances as they were given"}


def verification_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Returns an evaluation's table of verification; nothing where nobody asked for it."""
    found = evaluation.verification
    if found is None:
        return ()
    points = {point.asked: point for point in (*found.at, found.same_person)}
    rows = tuple(_row(points[rate]) for rate in sorted(points, reverse=True))
    title = "verification: are two images of one person?"
    return (Table(title, _COLUMNS, rows, _notes(found)),)


def _row(point: OperatingPoint) -> Row:
    return Row(
        {
            "asked": f"{point.asked:g}",
            "tpr": f"{100 * point.tpr:.2f}",
            "tpr_interval": _interval(point.tpr_interval, 100, ".2f"),
            "threshold": None if point.threshold is None else f"{point.threshold:.6g}",
            "threshold_interval": _interval(point.threshold_interval, 1, ".4g"),
        }
    )


def _interval(ends: tuple[float, float] | None, factor: int, form: str) -> str | None:
    return None if ends is None else " to ".join(f"{factor * end:{form}}" for end in ends)


def _notes(found: Verification) -> tuple[str, ...]:
    chosen = found.same_person
    said = "no threshold has so few false positives"
    if chosen.threshold is not None:
        said = (
            f"the same person within {chosen.threshold:.6g}: {chosen.fpr:.3g} of the pairs of two "
            f"people are taken for one, {chosen.tpr:.1%} of one person's pairs are found"
        )
    few = f"few pairs of two people: rates below {1 / found.others:.2g} cannot be told from 0"
    return (
        said,
        f"{found.matches:,} pairs of one person by two cameras, {found.others:,} of two people; "
        f"{_MEASURES.get(found.measure, 'Euclidean distance')}; thresholds are distances of pairs",
        f"intervals: {100 * found.confidence:g} %, percentiles of {found.resamples:,} draws of the "
        f"queries' {found.identities:,} identities, seed {found.seed}",
        *((few,) * (found.others * min(point.asked for point in found.at) < 1)),
    )
