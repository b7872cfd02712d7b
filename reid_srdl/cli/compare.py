"""``reid-srdl compare``: whether two results differ by more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from reid_srdl.shell.options import Json, argument, option

EXAMPLE = (
    "Examples:  reid-srdl compare runs/vanilla runs/srdl   |   "
    "reid-srdl compare a.csv b.csv --resamples 99999 --json"
)
_SIDE = "A run's folder, or a .csv or .json of reid-srdl eval --per-query."
_STATISTICS = "Statistics"


def compare(
    a: Annotated[Path, argument(_SIDE, "A")],
    b: Annotated[Path, argument("The result to compare with A, of the same kinds.", "B")],
    dataset: Annotated[
        str | None,
        option(
            None,
            "For runs on joint sets: the set to compare on.",
            "NAME",
        ),
    ] = None,
    by: Annotated[
        Literal["identity", "query"],
        option(
            _STATISTICS,
            "What is resampled: identities with all their queries, which are not independent, or "
            "queries.",
        ),
    ] = "identity",
    resamples: Annotated[
        int,
        option(
            *(_STATISTICS, "Draws of the bootstrap, and of the permutation test.", "N"),
            min=99,
            max=10**6,
        ),
    ] = 9999,
    confidence: Annotated[
        float,
        option(
            *(_STATISTICS, "Level of the intervals; the test's is 1 - FRACTION.", "FRACTION"),
            min=0.5,
            max=0.999,
        ),
    ] = 0.95,
    seed: Annotated[int, option(_STATISTICS, "Seed of all draws.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Compare two results over the same queries: is B - A more than chance?

    Differences in mAP, mAP by trapezoids, mINP and Rank-1, each with a bootstrap confidence
    interval and the p-value of a permutation test, single- and multi-query.
    """
    from reid_srdl.records.comparison import Settings
    from reid_srdl.records.comparison import compare as judged
    from reid_srdl.records.per_query import read_results
    from reid_srdl.report.comparison import comparison_table, verdict
    from reid_srdl.report.say import present, tell_all

    settings = Settings(by=by, resamples=resamples, confidence=confidence, seed=seed)
    comparison = judged(read_results(a, dataset), read_results(b, dataset), settings)
    tell_all("warning", comparison.warnings)
    tree = {"verdict": verdict(comparison), **comparison.model_dump(mode="json")}
    present(comparison_table(comparison), tree, as_json=json)
