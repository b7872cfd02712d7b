"""The command that trains a run again: it comes to the very configuration."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.config import fingerprint, read_yaml, resolve
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.report_commands import training_command
from reid_srdl.methods import KNOWN
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record
from tests.cli.run import reid_srdl_here

TREES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "vanilla": {"method": {"name": "vanilla"}},
    "other-than-the-set": {"data": {"name": "cifar100"}, "train": {"epochs": 60}},
    "options": {"method": {"name": "ban", "generations": 3}, "train": {"seed": 4, "epochs": 12}},
    "recipe": {"data": {"name": "walkers"}, "recipe": {"name": "bag-of-tricks"}},
    "lists": {"optim": {"milestones": [0.25, 0.5]}, "eval": {"ensembles": ["srdl+first"]}},
    "off": {"method": {"restart": False}, "data": {"identities": 20, "name": "walkers"}},
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
def test_the_command_comes_to_the_same_configuration(
    tree: dict[str, Any], walkers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = experiment(tree)
    record = read_record(walkers / "r/srdl")
    assert isinstance(record, RunRecord)
    own = record.model_copy(update={"config": config.model_dump(mode="json", by_alias=True)})
    words = shlex.split(training_command(own))
    assert words[:2] == ["reid-srdl", "train"]
    done = reid_srdl_here(*words[1:], "--print-config", streams=capsys)
    assert done.returncode == 0, done.stderr
    (tmp_path / "printed.yaml").write_text(done.stdout)
    printed = resolve(read_yaml(tmp_path / "printed.yaml"), KNOWN)
    left = ("recipe.name",)  # the recipe's keys stand in the command, one by one
    assert fingerprint(printed, without=left) == fingerprint(config, without=left)
    assert printed.train.seed == config.train.seed


def test_a_file_of_first_weights_is_named_by_its_digest(walkers: Path) -> None:
    record = read_record(walkers / "r/srdl")
    assert isinstance(record, RunRecord)
    config = experiment({})
    tree = config.model_dump(mode="json", by_alias=True)
    tree["model"]["weights_digest"] = "ab" * 16
    told = training_command(record.model_copy(update={"config": tree}))
    assert f"--set model.weights=FILE-{'ab' * 16}" in told
    assert "weights_digest" not in told
