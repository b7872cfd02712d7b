"""What holds for every method: it goes on where it stopped, compiles whole, and serves recipes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from reid_srdl.data.batches import TrainingSet
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.train import train
from reid_srdl.methods import METHODS
from reid_srdl.training.precision import Compute
from tests.small_set import write_small_set
from tests.training import tiny

OPTIONS: dict[str, dict[str, Any]] = {  # all others by default
    **{name: {"teacher": "staged"} for name in ("kd", "fitnet", "at", "rkd", "dkd")},
}
ONLINE = ("srdl", "kd", "fitnet", "dkd", "ban", "cwtm", "dkpp")  # that may consult a reference
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in METHODS),
    *((name, {"view": "online"}) for name in ONLINE),
    ("dml", {"order": "at_once"}),
    ("srdl", {"stages": 2, "restart": False}),
]
NAMES = [" ".join((name, *map(str, more.values()))) for name, more in CASES]


class StopError(Exception):
    """In place of a kill."""


class Broken:
    """Serves batches until so many were served; counts them.

    Args:
        images: whose batches.
        most: after which it stops; None: never.
    """

    def __init__(self, images: TrainingSet, most: int | None = None) -> None:
        self.served, self._most, self._epoch = 0, most, images.epoch
        images.epoch = self.epoch  # type: ignore[method-assign]

    def epoch(self, *args: Any, **how: Any) -> Iterator[Any]:
        for batch in self._epoch(*args, **how):
            if self.served == self._most:
                raise StopError
            self.served += 1
            yield batch


def run(name: str, more: dict[str, Any], folder: Path, images: TrainingSet, **how: Any) -> Any:
    method = METHODS[name]
    options = method.options(name=name, **OPTIONS.get(name, {}), **more)
    trainer = tiny.trainer(folder, network="staged", training_set=images, **how)
    return method.program(trainer, 2, options)


@pytest.mark.parametrize(("name", "more"), CASES, ids=NAMES)
def test_stopped_within_an_epoch_it_goes_on_to_the_same_bits(
    tmp_path: Path, name: str, more: dict[str, Any]
) -> None:
    images = tiny.training_set()
    served = Broken(images)
    whole = run(name, more, tmp_path / "whole", images)
    for stop in (1, served.served // 2, served.served - 1):
        images, folder = tiny.training_set(), tmp_path / f"{stop}"
        Broken(images, stop)
        with pytest.raises(StopError):
            run(name, more, folder, images, checkpoint_seconds=0.0)
        again = run(name, more, folder, tiny.training_set(), checkpoint_seconds=0.0)
        assert again.keys() == whole.keys()
        for member, model in whole.items():
            assert tiny.same(tiny.weights(model), tiny.weights(again[member])), (member, stop)


@pytest.mark.parametrize("name", METHODS)
def test_it_is_traced_whole(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each phase is one graph without a break; the kernels themselves take long to compile."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    counters.clear()
    ends = []
    for compiled in (True, False):
        compute = Compute(torch.device("cpu"), "fp32", 1, compile=compiled)
        images = tiny.training_set(8)  # one step an epoch: rounding has no time to grow
        more = {"view": "online"} if name == "kd" else {}
        done = run(name, more, tmp_path, images, compute=compute)
        ends.append({f"{n}.{k}": w for n in done for k, w in tiny.weights(done[n]).items()})
    assert counters["stats"]["unique_graphs"] >= 1
    assert not counters["graph_break"]
    for key, eager in ends[1].items():
        assert torch.allclose(ends[0][key], eager, atol=1e-4), key


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    write_small_set(tmp_path / "set")
    return tmp_path


@pytest.mark.parametrize("name", METHODS)
def test_people_under_a_recipe(place: Path, name: str) -> None:
    """Metric losses, a neck, P x K and averaged weights serve it; all that it returns is judged."""
    tree = {
        "data": {"height": 32, "width": 16, "name": "folder", "dir": place / "set"},
        "model": {"name": "staged", "pooling": "gem", "neck": "bnneck"},
        "method": {"name": name, **OPTIONS.get(name, {})},
        "optim": {"lr": 0.01, "ema": 0.9},
        "loss": {"triplet": {"weight": 1.0}, "centre": {"weight": 0.0005}, "smoothing": 0.1},
        "sampler": {"identities": 4, "images": 2},
        "train": {"epochs": 4, "precision": "fp32", "threads": 1, "device": "cpu"},
        "run": {"dir": place / "runs", "name": "r"},
    }
    record = train(experiment(tree))
    assert name in record.results
    assert f"{name}.ema" in record.results
    assert all(record.results.values())
    labels = {"smoothed_ce", "triplet", "centre"}
    assert any(labels <= one.loss.keys() for one in record.phases[0].networks.values())
    assert record.true_work.cost > 0
