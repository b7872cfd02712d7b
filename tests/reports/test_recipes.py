"""Runs with a recipe: their label, their row, their gain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.store import read_records
from tests.reports.runs import people, run


def test_labels_name_the_recipe_and_not_its_keys(tmp_path: Path, cache: Path) -> None:
    data, runs = people(tmp_path / "data"), tmp_path / "runs"
    keys: dict[str, Any] = {"optim": {"lr": 0.05, "weight_decay": 0.0005}}
    with_recipe = {"recipe": {"name": "mine", "keys": ["optim.lr", "optim.weight_decay"]}}
    run(data, runs, "plain")
    run(data, runs, "vanilla", **keys, **with_recipe)
    run(data, runs, "srdl", method={"name": "srdl"}, **keys, **with_recipe)
    other = {"optim": {"lr": 0.05, "weight_decay": 0.0005, "momentum": 0.5}}
    run(data, runs, "other", **other, **with_recipe)
    board = leaderboard(read_records(runs)[0])
    labels = {row.runs[0]: row.label for row in board.rows}
    assert labels == {
        "plain": "vanilla [optim.momentum=0.9]",
        "vanilla": "vanilla with mine [optim.momentum=0.9]",
        "srdl": "srdl with mine [optim.momentum=0.9]",
        "other": "vanilla with mine [optim.momentum=0.5]",
    }
    (gain,) = board.gains
    assert (gain.row.runs, gain.baseline.runs) == (("srdl",), ("vanilla",))
