"""Leaderboards of some runs, sorted, and tested where enough seeds pair."""

from __future__ import annotations

import pytest

from reid_srdl.errors import UserError
from reid_srdl.records.intervals import paired_p
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.selection import selected
from reid_srdl.report.leaderboard import leaderboard_tables
from tests.records.factory import record

OURS = [0.5, 0.52, 0.49, 0.55, 0.51]
THEIRS = [0.45, 0.5, 0.48, 0.5, 0.47]
RUNS = [
    *(record("vanilla", seed, value) for seed, value in enumerate(THEIRS)),
    *(record("srdl", seed, value) for seed, value in enumerate(OURS)),
]


def test_runs_are_selected_by_short_names_and_by_keys() -> None:
    assert [one.name for one in selected(RUNS, ["method=srdl", "seed=3"])] == ["srdl-3-0"]
    assert len(selected(RUNS, ["train.seed=1"])) == 2
    assert selected(RUNS, []) == RUNS


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ("model", "not KEY=VALUE"),
        ("modle=resnet50", "no such key"),
        ("method=sdrl", "no run is so"),
    ],
)
def test_wishes_that_nothing_meets_are_told(wish: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        selected(RUNS, [wish])


def test_five_seeds_that_pair_are_tested() -> None:
    (gain,) = leaderboard(RUNS).gains
    assert gain.p["single_rank1"] == paired_p(OURS, THEIRS)
    assert "single_mAP" not in gain.p  # all differences are equal
    (table,) = leaderboard_tables(leaderboard(RUNS))
    assert any(
        "p of the paired t-test over 5 seeds: single Rank-1 " in note for note in table.notes
    )
    (row,) = [row for row in table.rows if row.gain]
    assert row.values["single_rank1_p"] == paired_p(OURS, THEIRS)


def test_four_seeds_are_not_tested() -> None:
    few = [one for one in RUNS if one.seed < 4]
    (gain,) = leaderboard(few).gains
    assert gain.p == {}
    (table,) = leaderboard_tables(leaderboard(few))
    assert "single_rank1_p" not in [column.key for column in table.columns]


def test_rows_are_sorted_by_a_column() -> None:
    board = leaderboard(RUNS)
    (table,) = leaderboard_tables(board, "single_rank1")
    assert [row.values["method"] for row in table.rows[:2]] == ["srdl", "vanilla"]
    assert [row.gain for row in table.rows] == [False, False, True]
    (plain,) = leaderboard_tables(board)
    assert plain.rows[0].values["method"] == "vanilla"
    (other,) = leaderboard_tables(board, "method")
    assert [row.values["method"] for row in other.rows[:2]] == ["srdl", "vanilla"]
    with pytest.raises(UserError, match="--sort single_map: no such column"):
        leaderboard_tables(board, "single_map")
