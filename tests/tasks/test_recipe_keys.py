"""Keys of augmentation and of the network reach the first step: each one alone changes its loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from reid_srdl.config import AnyConfig, fingerprint, place
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.planning import RunPlan, plan_run
from reid_srdl.jobs.train import train
from reid_srdl.models.build import build
from reid_srdl.models.changes import BNNeck, Branches
from reid_srdl.tasks import open_task
from reid_srdl.tasks.task import Task
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import choose
from tests.small_set import write_small_set

ON: dict[str, Any] = {
    "data.pad_with": "zero",
    "data.erasing.probability": 1.0,
    "data.jitter.brightness": 0.4,
    "data.jitter.contrast": 0.4,
    "data.jitter.saturation": 0.4,
    "data.jitter.hue": 0.3,
    "model.ibn": "a",
    "model.last_stride": 1,
    "model.pooling": "gem",
    "model.bottleneck": 24,
    "model.neck": "bnneck",
    "model.dropout": 0.3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path))


def configured(folder: Path, keys: dict[str, Any]) -> AnyConfig:
    tree: dict[str, Any] = {
        "data": {"height": 32, "width": 16, "name": "folder", "dir": folder},
        "model": {"name": "resnet32"},
        "method": {"name": "vanilla"},
        "optim": {"batch_size": 8},
        "train": {"epochs": 1, "precision": "fp32", "threads": 1, "device": "cpu"},
    }
    for key, value in keys.items():
        place(tree, key, value)
    return experiment(tree)


def planned(config: AnyConfig) -> tuple[Task, RunPlan]:
    task = open_task(config, choose("cpu", "fp32", 1), lambda *_: None)
    return task, plan_run(config, task, None)


def first_loss(task: Task, plan: RunPlan) -> float:
    network = build(plan.setting.network, seed=1).train()
    # Larger than it begins, so that the loss shows what it sees.
    torch.nn.init.normal_(network.classifier.weight, generator=torch.Generator().manual_seed(5))
    batch = next(task.training_set.epoch(8, 0, "fit", 0))
    torch.manual_seed(0)  # of dropout
    return F.cross_entropy(network(batch.images).logits, batch.labels).item()


def test_each_key_alone_changes_the_first_loss_fingerprint_and_phase(folder: Path) -> None:
    losses, fingerprints, phases = set(), set(), set()
    for off in (None, *ON):
        config = configured(folder, {key: value for key, value in ON.items() if key != off})
        task, plan = planned(config)
        losses.add(first_loss(task, plan))
        fingerprints.add(fingerprint(config))
        phases.add(plan.phases[0].key)
    assert len(losses) == len(fingerprints) == len(phases) == len(ON) + 1


def test_a_methods_own_changes_come_after_the_configurations(folder: Path) -> None:
    _, plan = planned(configured(folder, {"model.neck": "bnneck"}))
    model = Planner(plan.setting).new_model(changes=(Branches(),))
    assert model.spec.changes == (BNNeck(), Branches())
    assert Planner(plan.setting).new_model(name="resnet110").spec.changes == (BNNeck(),)


def test_what_a_network_cannot_have_is_refused_before_any_data_is_read(folder: Path) -> None:
    config = configured(folder / "nowhere", {"model.ibn": "a", "model.name": "torchvision:alexnet"})
    with pytest.raises(UserError, match="torchvision:alexnet") as caught:
        train(config)
    assert caught.value.exit_status == 2
