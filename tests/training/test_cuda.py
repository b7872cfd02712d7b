"""Training on a CUDA device: the same numbers from graphs as from single launches, twice, resumed.

These run where there is a device; elsewhere nothing of them can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.data.augmentation import Augmentation, Erasing, Jitter
from reid_srdl.data.batches import Batch, Images, TrainingSet
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.methods import METHODS
from reid_srdl.models.network import Output
from reid_srdl.training.graphs import WARM, Replayed
from reid_srdl.training.losses import CrossEntropy
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Model
from tests.class_set import write_class_folder
from tests.methods.test_family import CASES, NAMES, OPTIONS, Broken, StopError
from tests.training import tiny

CUDA = torch.device("cuda")
GRAPH = Compute(CUDA, "fp32", 1, graph=True)
SINGLY = Compute(CUDA, "fp32", 1)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(autouse=True)
def as_runs_compute() -> Iterator[None]:
    with GRAPH.activated():
        yield


def images_there() -> TrainingSet:
    """Ten steps of 8 images: most of them after the recording."""
    return tiny.training_set(82, CUDA)


def run(
    name: str, more: dict[str, Any], folder: Path, compute: Compute, **how: Any
) -> dict[str, dict[str, torch.Tensor]]:
    method = METHODS[name]
    options = method.options(name=name, **OPTIONS.get(name, {}), **more)
    images = how.pop("images", None) or images_there()
    trainer = tiny.trainer(folder, network="staged", training_set=images, compute=compute, **how)
    done = method.program(trainer, 2, options)
    return {member: tiny.weights(model) for member, model in done.items()}


def differing(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> list[str]:
    assert one.keys() == other.keys()
    return [
        f"{member} {key}: {(weight.double() - other[member][key].double()).abs().max():.2g}"
        for member in one
        for key, weight in one[member].items()
        if not torch.equal(weight, other[member][key])
    ]


@pytest.mark.parametrize(("name", "more"), CASES, ids=NAMES)
def test_graphs_and_single_launches_come_to_the_same_bits(
    tmp_path: Path, name: str, more: dict[str, Any]
) -> None:
    single = run(name, more, tmp_path / "single", SINGLY)
    assert not differing(single, run(name, more, tmp_path / "again", SINGLY))
    assert not differing(single, run(name, more, tmp_path / "graph", GRAPH))


@pytest.mark.parametrize("name", ["srdl", "dml", "fitnet", "cwtm"])
def test_stopped_within_an_epoch_it_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    whole = run(name, {}, tmp_path / "whole", GRAPH)
    for stop in (2, 8, 15):
        images = images_there()
        Broken(images, stop)
        how: dict[str, Any] = {"checkpoint_seconds": 0.0}
        with pytest.raises(StopError):
            run(name, {}, tmp_path / f"{stop}", GRAPH, images=images, **how)
        assert not differing(whole, run(name, {}, tmp_path / f"{stop}", GRAPH, **how))


def fitted(folder: Path, compute: Compute, images: TrainingSet | None = None) -> Model:
    trainer = tiny.trainer(folder, compute=compute, training_set=images)
    return trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="one")


def test_float32_is_float32_and_the_processor_agrees(tmp_path: Path) -> None:
    on_cpu = fitted(tmp_path / "cpu", Compute(torch.device("cpu"), "fp32", 1))
    there = tiny.training_set(device=CUDA)
    apart = {}
    for precision in ("fp32", "tf32"):
        compute = replace(GRAPH, precision=precision)
        with compute.activated():
            ours = tiny.weights(fitted(tmp_path / precision, compute, there))
        apart[precision] = max(
            float((ours[key].cpu().double() - weight.double()).abs().max())
            for key, weight in tiny.weights(on_cpu).items()
        )
    assert apart["fp32"] < 1e-4
    assert apart["fp32"] < apart["tf32"] < 0.1


def test_batches_are_those_of_the_processor() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (50, 16, 8, 3), dtype=np.uint8)
    labels = rng.integers(0, 5, 50)
    for augmentation in (
        Augmentation(),
        Augmentation("zero", Jitter(0.2, 0.2, 0.2, 0.1), Erasing(0.5)),
    ):
        served = []
        for device in (torch.device("cpu"), CUDA):
            images = Images(pixels, (16, 8), device)
            whole = TrainingSet(images, labels, pad=2, flip=True, augmentation=augmentation)
            served.append(list(whole.epoch(8, 0, "one", 0, first=1, draws=5)))
        assert len(served[0]) == len(served[1]) == 5
        for ours, theirs in zip(*served, strict=True):
            for key in ("labels", "index", "weight", "draws"):
                assert torch.equal(getattr(ours, key), getattr(theirs, key).cpu()), key
            assert torch.allclose(ours.images, theirs.images.cpu(), atol=1e-4)


@dataclass(frozen=True)
class Waits(CrossEntropy):
    """A loss that asks the device for a number in each step."""

    def of(self, output: Output, batch: Batch) -> dict[str, torch.Tensor]:
        factor = float(output.logits.detach().abs().max())
        return {"ce": super().of(output, batch)["ce"] * (1 + 0 * factor)}


def test_a_loss_that_waits_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    def trained(compute: Compute) -> None:
        trainer = tiny.trainer(tmp_path, compute=compute, training_set=images_there())
        trainer.fit(trainer.new_model(), epochs=1, loss=Waits(), name="one")

    with pytest.raises(UserError, match=r"train\.graph") as error:
        trained(GRAPH)
    assert "--set train.graph=false" in error.value.hint
    trained(SINGLY)


def test_a_recording_without_room_is_told_as_that() -> None:
    """Not as a step that cannot be recorded: launching its kernels singly would not help."""

    def step(batch: Batch) -> dict[str, torch.Tensor]:
        if torch.cuda.is_current_stream_capturing():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {}

    replayed = Replayed(step, CUDA)
    batch = next(images_there().epoch(8, 0, "one", 0))
    for _ in range(WARM):
        assert replayed(batch) == {}
    with pytest.raises(torch.OutOfMemoryError):
        replayed(batch)


SETTINGS: dict[str, dict[str, Any]] = {
    "dropout": {"model": {"name": "resnet32", "dropout": 0.5}},
    "adam, clipped, averaged": {"optim": {"lr": 0.01, "name": "adam", "clip": 0.5, "ema": 0.9}},
    "adamw, without norms": {"optim": {"lr": 0.01, "name": "adamw", "decay_norms": False}},
    "weights bounded, watched": {"optim": {"max_norm": 0.5}, "watch": {"gradients": True}},
    "P x K, triplet, centre": {
        "sampler": {"identities": 3, "images": 2},
        "loss": {"smoothing": 0.1, "triplet": {"weight": 1.0}, "centre": {"weight": 5e-4}},
    },
    "colours, erased, bf16": {
        "data": {"jitter": {"brightness": 0.2}, "erasing": {"probability": 0.5}},
        "train": {"precision": "bf16"},
    },
    "judged": {"data": {"validation": 0.25}, "eval": {"every": 1}},
    "compiled": {"train": {"compile": True}},
    "tf32": {"train": {"precision": "tf32"}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_recorded_and_comes_to_the_same_bits(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole runs of SRDL on 6 classes of 8 images."""
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_class_folder(tmp_path / "classes", train=8, test=2)
    own = SETTINGS[name]
    ends = []
    for graph in (False, True):
        tree: dict[str, Any] = {
            "data": {"name": "class-folder", "dir": str(tmp_path / "classes")},
            "model": {"name": "resnet32"},
            "method": {"name": "srdl"},
            "optim": {"lr": 0.01, "batch_size": 6},
            "train": {"epochs": 4, "device": "cuda", "precision": "fp32", "graph": graph},
            "run": {"dir": str(tmp_path / "runs"), "name": f"{graph}"},
        }
        tree["data"] |= {"height": 32, "width": 32}
        for section, keys in own.items():
            tree[section] = {**tree.get(section, {}), **keys}
        record = train(experiment(tree))
        assert record.device.name == torch.cuda.get_device_name()
        assert record.results["srdl"]
        ends.append(load_file(tmp_path / "runs" / f"{graph}" / "weights/srdl.safetensors"))
    assert not differing({"srdl": ends[0]}, {"srdl": ends[1]})
