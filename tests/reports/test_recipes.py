"""Runs with a recipe: their label, their row, their gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.config import merge
from reid_srdl.errors import UserError
from reid_srdl.jobs.before import check_networks
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.store import read_records
from tests.reports.runs import TREE, people, run


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


@pytest.mark.parametrize(
    ("network", "key", "way_out"),
    [
        ("tiny", {"last_stride": 1}, "--set model.last_stride=null"),
        ("torchvision:vgg11", {"ibn": "a"}, "--set model.ibn=none"),
        ("torchvision:vit_b_16", {"pooling": "gem"}, "--set model.pooling=average"),
    ],
)
def test_a_recipe_that_asks_for_what_a_network_cannot_have_is_named(
    tmp_path: Path, cache: Path, network: str, key: dict[str, Any], way_out: str
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(json.dumps({"model": key}))
    data = {"height": 224, "width": 224}
    tree = merge(TREE, {"model": {"name": network}, "recipe": {"name": str(recipe)}, "data": data})
    with pytest.raises(UserError, match="the recipe mine asks for it by model") as caught:
        train(experiment(merge(tree, {"run": {"dir": str(tmp_path / "runs")}})))
    assert way_out in caught.value.hint
    section, _, value = way_out.removeprefix("--set model.").partition("=")
    mended = experiment(merge(tree, {"model": {section: None if value == "null" else value}}))
    check_networks(mended, [NetworkSpec(network, 2, (224, 224), changes=changes_of(mended.model))])
    assert not (tmp_path / "runs").exists()
