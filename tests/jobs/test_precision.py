"""A precision that nobody names is the run's own where there is one, else the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.jobs.computing import compute_of
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

    def asked(precision: str) -> AnyConfig:
        more = {"train": {"precision": precision}, "run": {"name": "one"}}
        return experiment(tree(tmp_path, **more))

    def trained(precision: str, *, fast: bool) -> RunRecord:
        with monkeypatch.context() as patch:
            patch.setattr("reid_srdl.training.precision.bf16_is_fast", lambda _: fast)
            return train(asked(precision))

    began = trained("auto", fast=False)
    assert began.config["train"]["precision"] == "fp32"
    assert trained("auto", fast=True).created == began.created
    with monkeypatch.context() as patch:
        patch.setattr("reid_srdl.training.precision.bf16_is_fast", lambda _: True)
        assert plan(asked("auto"))["config"]["train"]["precision"] == "fp32"
    with pytest.raises(UserError, match="holds a run of another configuration"):
        trained("bf16", fast=True)


def _tried(spec: NetworkSpec, images: int, compute: Compute) -> Layer | None:
    """Takes the first layer of a network for wrong in bf16, but for that of `wide`."""
    right = compute.precision != "bf16" or spec.name == "wide"
    return None if right else Layer("conv1", nn.Conv2d(3, 16, 3), (3, 8, 8))


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
    heard.lines.clear()
    assert seeded(asked, [0], heard.noted)[0].train.precision == "fp32"
    assert heard.lines == [
        "train.precision: fp32, since PyTorch's bf16 is wrong here in conv1, "
        "Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1)) on 3 x 8 x 8 of tiny"
    ]


@pytest.mark.usefixtures("_wrong_bf16")
def test_auto_asks_for_every_network_that_is_trained_and_for_none_that_only_answers(
    tmp_path: Path,
) -> None:
    def taught(teacher: str, precision: str) -> AnyConfig:
        keys = {"name": "kd", "teacher": teacher}
        return experiment(
            tree(tmp_path, model={"name": "wide"}, method=keys, train={"precision": precision})
        )

    assert compute_of(taught("wide", "auto")).precision == "bf16"
    assert compute_of(taught("tiny", "auto")).precision == "fp32"
    vanilla = {"method": {"name": "vanilla"}, "run": {"name": "teacher"}}
    train(experiment(tree(tmp_path, **vanilla)))
    finished = str(tmp_path / "runs" / "teacher")
    for precision in ("auto", "bf16"):
        assert plan(taught(finished, precision))["config"]["train"]["precision"] == "bf16"


@pytest.mark.usefixtures("_wrong_bf16")
def test_bf16_by_name_is_refused_where_it_would_be_wrong_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    asked = experiment(tree(tmp_path, train={"precision": "bf16"}, run={"name": "one"}))
    for refused in (train, plan):
        with pytest.raises(
            UserError, match=r"bf16 is wrong here in conv1, Conv2d\(3,.* of tiny"
        ) as raised:
            refused(asked)
        assert raised.value.hint.startswith("add --precision fp32; a run that began in bf16 cannot")
    assert not (tmp_path / "runs" / "one").exists()
