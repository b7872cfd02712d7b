"""``reid-srdl compare``: whether two results differ by more than chance."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reid_srdl.cli.options import Json

EXAMPLE = (
    "Examples:  reid-srdl compare runs/vanilla runs/srdl   |   "
    "reid-srdl compare a.csv b.csv --resamples 99999 --json"
)
_SIDE = "A run's folder, or a .csv or .json of reid-srdl eval --per-query."


class By(StrEnum):
    """What is drawn anew."""

    IDENTITY = "identity"
    QUERY = "query"


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help=_SIDE, show_default=False)],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="What is compared with A.", show_default=False)
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of runs on joint sets: which of the sets; default: the one that there is.",
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option(
            rich_help_panel="Statistics",
            help="Draw identities with all their queries, which are not independent, or queries.",
        ),
    ] = By.IDENTITY,
    resamples: Annotated[
        int,
        typer.Option(
            min=99,
            metavar="N",
            rich_help_panel="Statistics",
            help="Draws of the bootstrap, and of the permutation test.",
        ),
    ] = 9999,
    confidence: Annotated[
        float,
        typer.Option(
            min=0.5,
            max=0.999,
            metavar="FRACTION",
            rich_help_panel="Statistics",
            help="Of the intervals; the verdict's test takes 1 - FRACTION.",
        ),
    ] = 0.95,
    seed: Annotated[
        int, typer.Option(min=0, rich_help_panel="Statistics", help="Of all draws.")
    ] = 0,
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

    settings = Settings(by=by.value, resamples=resamples, confidence=confidence, seed=seed)
    comparison = judged(read_results(a, dataset), read_results(b, dataset), settings)
    tell_all("warning", comparison.warnings)
    tree = {"verdict": verdict(comparison), **comparison.model_dump(mode="json")}
    present(comparison_table(comparison), tree, as_json=json)
