"""A precision that nobody names is the run's own where there is one, else the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.listener import Silence
from reid_srdl.jobs.seeds import seeded
from reid_srdl.jobs.train import train
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.run import RunRecord
from reid_srdl.training.precision import Compute
from reid_srdl.training.rounding import Layer
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


def _tried(spec: NetworkSpec, images: int, compute: Compute) -> Layer | None:
    """Takes the trunk's first layer for wrong in bf16."""
    return Layer("conv1", nn.Conv2d(3, 16, 3), (3, 8, 8)) if compute.precision == "bf16" else None


@pytest.fixture
def _wrong_bf16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("reid_srdl.training.precision.bf16_is_fast", lambda _: True)
    monkeypatch.setattr("reid_srdl.jobs.computing.wrong_layer", _tried)
    write_small_set(tmp_path / "set")


class _Heard(Silence):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def noted(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.usefixtures("_wrong_bf16")
def test_auto_is_float32_where_bf16_would_be_wrong_and_says_so(tmp_path: Path) -> None:
    heard, asked = _Heard(), experiment(tree(tmp_path, train={"precision": "auto"}))
    record = train(asked, heard)
    assert record.config["train"]["precision"] == "fp32"
    assert [line for line in heard.lines if line.startswith("train.precision: fp32, since")]
    assert seeded(asked, [0])[0].train.precision == "fp32"


@pytest.mark.usefixtures("_wrong_bf16")
def test_bf16_by_name_is_refused_where_it_would_be_wrong_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    asked = experiment(tree(tmp_path, train={"precision": "bf16"}, run={"name": "one"}))
    for refused in (train, plan):
        with pytest.raises(
            UserError, match=r"bf16 is wrong here in conv1, Conv2d\(3, 16"
        ) as raised:
            refused(asked)
        assert raised.value.hint == "add --precision fp32"
    assert not (tmp_path / "runs" / "one").exists()
