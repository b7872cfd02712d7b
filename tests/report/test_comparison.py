"""The verdict and the table of a comparison."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reid_srdl.config.protocol import Protocol
from reid_srdl.records.comparison import Comparison, Difference, Kind, Settings
from reid_srdl.report.comparison import comparison_table, headline, verdict
from reid_srdl.report.render import to_markdown, to_rich


def difference(metric: str = "mAP", **fields: object) -> Difference:
    made = {"a": 0.70, "b": 0.72, "difference": 0.02, "low": 0.01, "high": 0.03, "p": 0.0004}
    counts = {"better": 30, "worse": 12, "interval": "BCa"}
    return Difference.model_validate({"metric": metric, **made, **counts, **fields})


def comparison(*, multi: bool = False, rules: str = "ours", **fields: object) -> Comparison:
    scores = [difference(metric, **fields) for metric in ("mAP", "rank1", "mINP")]
    scores.append(difference("mAP_trapezoid", **{**fields, "low": -0.01, "p": 0.2}))
    kind = Kind(queries=3368, units=750, scores=tuple(scores))
    return Comparison(
        a="runs/one",
        b="runs/two",
        settings=Settings(),
        protocol=Protocol(rules=rules),
        single_query=kind,
        multi_query=kind if multi else None,
        warnings=(),
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {},
            "B is better: its mAP is 2.00 points above A's, B - A = +2.00 (95 % interval +1.00 to "
            "+3.00, p = 0.0004).",
        ),
        (
            {"difference": -0.02, "low": -0.03, "high": -0.01},
            "A is better: its mAP is 2.00 points above B's, B - A = -2.00 (95 % interval -3.00 to "
            "-1.00, p = 0.0004).",
        ),
        (
            {"difference": 0.004, "low": -0.01, "high": 0.02, "p": 0.31},
            "The difference can be chance: mAP, B - A = +0.40 (95 % interval -1.00 to +2.00, "
            "p = 0.31).",
        ),
        ({"p": 0.06}, "The difference can be chance"),
        ({"low": -0.001}, "The difference can be chance"),
        ({"better": 0, "worse": 0}, "A and B do not differ: the same mAP on every query."),
    ],
)
def test_verdicts(fields: dict[str, object], words: str) -> None:
    assert verdict(comparison(**fields)).startswith(words)


def test_the_verdict_rests_on_what_the_rules_call_map() -> None:
    assert headline(comparison()) == headline(comparison(rules="fastreid")) == "mAP"
    official = comparison(rules="official")
    assert headline(official) == "mAP_trapezoid"
    assert verdict(official).startswith("The difference can be chance: mAP (trapezoid)")


def test_the_table_tells_all() -> None:
    table = comparison_table(comparison(multi=True))
    assert len(table.rows) == 8
    console = Console(file=io.StringIO(), width=140)
    with console.capture() as drawn:
        console.print(to_rich(table, console))
    text = drawn.get()
    for word in (
        *("B is better", "single", "multi", "mAP (trapezoid)", "Rank-1", "mINP"),
        *("70.00", "72.00", "+2.00", "+1.00 to +3.00", "0.0004", "30", "12", "95 % interval"),
        *("A: runs/one", "B: runs/two", "identities", "750 for 3,368", "seed 0", "several seeds"),
    ):
        assert word in text, word
    assert "may be too narrow" not in text
    assert to_markdown([table]).count("|") > 8 * 9


def test_drawing_queries_alone_is_told() -> None:
    made = comparison().model_copy(update={"settings": Settings(by="query")})
    assert any("may be too narrow" in note for note in comparison_table(made).notes)
