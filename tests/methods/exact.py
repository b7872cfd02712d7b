"""Trainers in float64, so that a plain loop of a method must come to its weights within 1e-9."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reid_srdl.data.batches import Batch, TrainingSet
from reid_srdl.models.network import Network
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.precision import choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.trainer import Trainer
from tests.training import tiny

STEPS, BATCH = 5, 8
LR = float(torch.tensor(0.1))  # the optimiser's, in float32
DECAY, MOMENTUM = 2e-4, 0.9


def images(hidden: int = 0) -> TrainingSet:
    """Returns five batches of float64 images; the labels of the first ``hidden`` are hidden."""
    made = tiny.training_set(STEPS * BATCH)
    plain: Callable[[Tensor], Tensor] = made.images.normalise
    made.images.normalise = lambda pixels: plain(pixels).double()  # type: ignore[assignment]
    made.weight[:hidden] = 0
    return made


class Exact(Trainer):
    """A trainer whose networks are float64."""

    def _placed(self, network: Network) -> Network:
        return super()._placed(network).double()

    def _rows(self, key: str, index: Tensor) -> Tensor:
        return super()._rows(key, index).double()  # float16 before, so nothing is lost


def trainer(folder: Path, network: str, hidden: int = 0, **changes: Any) -> Exact:
    made = images(hidden)
    flat = Optimisation(StepDecay(0.1, ()), MOMENTUM, True, DECAY, BATCH)
    return Exact(
        tiny.setting(made, network=network, optimisation=flat, **changes),
        training_set=made,
        compute=choose("cpu", "fp32", 1),
        folder=folder,
        monitor=tiny.Recorder(),
    )


def batches(phase: str, hidden: int = 0) -> list[Batch]:
    """Returns the batches of a phase's one epoch."""
    return list(images(hidden).epoch(BATCH, 0, phase, 0))


class Descent:
    """SGD with Nesterov's momentum on one network, written out."""

    def __init__(self, start: nn.Module) -> None:
        self.net: Any = copy.deepcopy(start).train()
        self.velocity = {k: torch.zeros_like(w) for k, w in self.net.named_parameters()}

    @torch.no_grad()
    def down(self, loss: Tensor) -> None:
        weights = dict(self.net.named_parameters())
        with torch.enable_grad():
            slopes = torch.autograd.grad(loss, list(weights.values()), retain_graph=True)
        for (name, w), slope in zip(weights.items(), slopes, strict=True):
            g = slope + DECAY * w
            self.velocity[name] = MOMENTUM * self.velocity[name] + g
            w -= LR * (g + MOMENTUM * self.velocity[name])


def gap(ours: Mapping[str, Any], expected: Mapping[str, nn.Module]) -> float:
    """Returns the largest difference of any number of models' and networks' states."""
    assert ours.keys() == expected.keys()
    largest = 0.0
    for name, network in expected.items():
        state = ours[name].network.state_dict()
        for key, value in network.state_dict().items():
            assert state[key].dtype in (torch.float64, torch.int64)
            largest = max(largest, float((state[key] - value).double().abs().max()))
    return largest
