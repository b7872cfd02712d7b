"""The report's leaderboard: intervals stand there where seeds give them, and nowhere else."""

from __future__ import annotations

import pytest

from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.statistics import measure
from reid_srdl.report.html.boards import leaderboard_section
from reid_srdl.report.html.page import gain_class, render
from reid_srdl.report.tables import Column, Row
from tests.records.factory import record


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_need_several_seeds(seeds: int) -> None:
    board = leaderboard([record(seed=seed, rank1=0.5 + 0.01 * seed) for seed in range(seeds)])
    text = render("t", "t", [leaderboard_section(board)])
    # A mean of 51 with the deviation 1 over 3 seeds: 51 -+ 4.303 / sqrt(3).
    assert text.count("<small>48.5 to 53.5</small>") == (seeds > 1)
    # Both Rank-1; each mAP is the same with every seed, which shows no spread.
    assert text.count("<small>") == (2 if seeds > 1 else 0)


@pytest.mark.parametrize(
    ("gains", "kind"),
    [((0.1, 0.11, 0.12), " above"), ((-0.1, -0.11, -0.12), " below"), ((-0.1, 0.1, 0.2), "")],
)
def test_a_gain_is_coloured_where_its_interval_leaves_zero_out(
    gains: tuple[float, ...], kind: str
) -> None:
    row = Row({"mAP": measure(gains)}, gain=True)
    assert gain_class(row, Column("mAP", "mAP", "percent")) == kind
