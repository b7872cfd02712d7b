"""Gradient norms of each layer: as plain loops have them, resumed, and without any effect."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from reid_srdl.training.gradients import GradientWatch
from reid_srdl.training.monitor import EpochRow
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import StepDecay
from tests.training import tiny

PLAIN = Optimisation(StepDecay(0.1), 0.0, False, 0.0, 8)
CLIPPED = Optimisation(StepDecay(0.1), 0.9, True, 2e-4, 8, clip=0.05, max_norm=0.3)


class StopError(Exception):
    pass


class Stopper(tiny.Recorder):
    """Stops after the first step of the second epoch."""

    def happened(self, event: str) -> None:
        if event == "epoch:fit:1":
            self.armed = True
        if event == "step:fit" and getattr(self, "armed", False):
            raise StopError


def rows(folder: Path, **how: Any) -> tuple[list[EpochRow], dict[str, torch.Tensor]]:
    recorder = tiny.Recorder()
    trainer = tiny.trainer(folder, recorder, **how)
    done = trainer.fit(trainer.new_model(), epochs=2, loss=trainer.supervised, name="fit")
    return recorder.rows, tiny.weights(done)


def test_norms_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path, optimisation=PLAIN)
    network = copy.deepcopy(trainer.new_model().network).train()
    layers: dict[str, list[float]] = {}
    batches = list(tiny.training_set().epoch(8, 0, "fit", 0))
    for step, batch in enumerate(batches):
        network.zero_grad()
        F.cross_entropy(network(batch.images).logits, batch.labels).backward()
        squares: dict[str, float] = {}
        for name, weight in network.named_parameters():
            assert weight.grad is not None
            layer = name.rpartition(".")[0]
            squares[layer] = squares.get(layer, 0.0) + float(weight.grad.square().sum())
            with torch.no_grad():
                weight -= PLAIN.decay.at(step, 2 * len(batches)) * weight.grad
        for layer, square in squares.items():
            layers.setdefault(layer, []).append(square**0.5)
    found, _ = rows(tmp_path, optimisation=PLAIN, watch=True)
    gradients = found[0].networks["fit"].gradients
    assert gradients is not None
    assert list(gradients) == list(layers)
    for layer, norms in layers.items():
        assert gradients[layer] == pytest.approx(sum(norms) / len(norms), rel=1e-4)


def test_watching_changes_no_bit_and_measures_before_clipping(tmp_path: Path) -> None:
    watched, ours = rows(tmp_path / "watched", optimisation=CLIPPED, watch=True)
    plain, theirs = rows(tmp_path / "plain", optimisation=CLIPPED)
    assert tiny.same(ours, theirs)
    assert plain[0].networks["fit"].gradients is None
    gradients = watched[0].networks["fit"].gradients
    assert gradients is not None
    assert sum(norm**2 for norm in gradients.values()) ** 0.5 > 0.05
    assert rows(tmp_path / "plain", watch=True, optimisation=CLIPPED)[1].keys() == ours.keys()


def test_an_interrupted_epochs_norms_are_those_of_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reid_srdl.training import meter

    whole, _ = rows(tmp_path / "whole", watch=True)
    with monkeypatch.context() as patch:
        patch.setattr(meter, "_EVERY", 0.0)  # looks, and so tells, after each step
        stopper = Stopper()
        trainer = tiny.trainer(tmp_path / "run", stopper, checkpoint_seconds=0.0, watch=True)
        with pytest.raises(StopError):
            trainer.fit(trainer.new_model(), epochs=2, loss=trainer.supervised, name="fit")
    resumed, _ = rows(tmp_path / "run", watch=True)
    assert len(resumed) == 1  # the second epoch, of which the first steps were done
    ours, theirs = resumed[-1].networks["fit"], whole[-1].networks["fit"]
    assert ours.gradients == pytest.approx(theirs.gradients, rel=1e-12)


def test_what_is_frozen_counts_as_zero() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    network[0].requires_grad_(False)
    network(torch.ones(1, 2)).sum().backward()
    watch = GradientWatch({"one": network})
    assert watch.layers == {"one": ["0", "1"]}
    norms = watch.norms("one")
    assert norms is not None
    weight, bias = network[1].weight.grad, network[1].bias.grad
    expected = float((weight.square().sum() + bias.square().sum()).sqrt())
    assert norms.tolist() == pytest.approx([0.0, expected])
    assert watch.norms("heads") is None


def test_no_value_is_read_so_nothing_waits_for_a_device() -> None:
    """Tensors without data have none to read: whatever waited would fail."""
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).to("meta")
    for parameter in network.parameters():
        parameter.grad = torch.empty_like(parameter)
    norms = GradientWatch({"one": network}).norms("one")
    assert norms is not None
    assert (norms.device.type, norms.shape) == ("meta", (2,))
    with pytest.raises(RuntimeError):
        norms.max().item()
