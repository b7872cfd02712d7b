"""A precision that nobody names is the run's own where there is one, else the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.records.run import RunRecord
from tests.jobs.test_starting import tree
from tests.small_set import write_small_set


def test_a_run_that_goes_on_keeps_its_precision_on_another_kind_of_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_small_set(tmp_path / "set")

    def trained(precision: str, *, fast: bool) -> RunRecord:
        with monkeypatch.context() as patch:
            patch.setattr("reid_srdl.training.precision.bf16_is_fast", lambda _: fast)
            more = {"train": {"precision": precision}, "run": {"name": "one"}}
            return train(experiment(tree(tmp_path, **more)))

    began = trained("auto", fast=False)
    assert began.config["train"]["precision"] == "fp32"
    assert trained("auto", fast=True).created == began.created
    with pytest.raises(UserError, match="holds a run of another configuration"):
        trained("bf16", fast=True)
