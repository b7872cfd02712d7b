"""The report's leaderboard: intervals stand there where seeds give them, and nowhere else."""

from __future__ import annotations

import pytest

from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.report.html.boards import leaderboard_section
from tests.records.factory import record


@pytest.mark.parametrize("seeds", [1, 3])
def test_columns_of_intervals_need_several_seeds(seeds: int) -> None:
    board = leaderboard([record(seed=seed, rank1=0.5 + 0.01 * seed) for seed in range(seeds)])
    (table,) = leaderboard_section(board).tables
    intervals = [column.key for column in table.columns if column.title == "95 % interval"]
    assert bool(intervals) == (seeds > 1)
    for key in intervals:
        assert any(key in row.values for row in table.rows)
