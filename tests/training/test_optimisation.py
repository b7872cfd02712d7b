"""Optimisers against plain loops: who decays, who is new, what is frozen or clipped."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.step import Step
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model, after
from tests.training import tiny

PLAIN = Optimisation(StepDecay(0.1), 0.9, True, 0.05, 8)
ADAM = replace(PLAIN, decay=StepDecay(0.01), name="adam")
CASES: dict[str, Optimisation] = {
    "sgd": PLAIN,
    "sgd without nesterov": replace(PLAIN, nesterov=False),
    "norms spared": replace(PLAIN, decay_norms=False),
    "new layers": replace(PLAIN, new_layers=3.0),
    "both": replace(PLAIN, new_layers=0.5, decay_norms=False),
    "clipped": replace(PLAIN, clip=0.05),
    "loosely clipped": replace(PLAIN, clip=1e6),
    "units bounded": replace(PLAIN, max_norm=0.3),
    "adam": ADAM,
    "adam of other betas": replace(ADAM, betas=(0.5, 0.9), decay_norms=False),
    "adamw": replace(ADAM, name="adamw", weight_decay=0.5),
    "adamw of new layers": replace(ADAM, name="adamw", new_layers=2.0, clip=0.1),
}


def fit(trainer: Trainer, start: Model, epochs: int = 1, **how: Any) -> Model:
    return trainer.fit(start, epochs=epochs, loss=trainer.supervised, name="fit", **how)


def by_hand(start: Model, optimisation: Optimisation) -> Mapping[str, Tensor]:
    """Three steps, each formula written out."""
    network = copy.deepcopy(start.network).train()
    weights = dict(network.named_parameters())
    first, second = ({k: torch.zeros_like(w) for k, w in weights.items()} for _ in range(2))
    b1, b2 = optimisation.betas
    for step, batch in enumerate(tiny.training_set().epoch(8, 0, "fit", 0)):
        network.zero_grad()
        F.cross_entropy(network(batch.images).logits, batch.labels).backward()
        grads = {k: w.grad.clone() for k, w in weights.items() if w.grad is not None}
        norm = torch.stack([g.square().sum() for g in grads.values()]).sum().sqrt()
        if optimisation.clip is not None and norm > optimisation.clip:
            grads = {k: g * optimisation.clip / norm for k, g in grads.items()}
        for name, w in weights.items():
            lr = optimisation.decay.at(step, 3)
            lr *= 1.0 if name.startswith("trunk.") else optimisation.new_layers
            spared = not optimisation.decay_norms and w.ndim == 1
            wd = 0.0 if spared else optimisation.weight_decay
            with torch.no_grad():
                if optimisation.name == "adamw":
                    w *= 1 - lr * wd
                    wd = 0.0
                g = grads[name] + wd * w
                if optimisation.name == "sgd":
                    first[name] = optimisation.momentum * first[name] + g
                    ahead = g + optimisation.momentum * first[name]
                    w -= lr * (ahead if optimisation.nesterov else first[name])
                    continue
                first[name] = b1 * first[name] + (1 - b1) * g
                second[name] = b2 * second[name] + (1 - b2) * g**2
                m = first[name] / (1 - b1 ** (step + 1))
                v = second[name] / (1 - b2 ** (step + 1))
                w -= lr * m / (v.sqrt() + 1e-8)
        for w in weights.values():
            if optimisation.max_norm is None or w.ndim == 1:  # norms and biases
                continue
            for unit in w.detach():
                unit *= min(1.0, optimisation.max_norm / float(unit.norm()))
    return network.state_dict()


@pytest.mark.parametrize("case", CASES)
def test_three_steps_are_those_of_a_plain_loop(tmp_path: Path, case: str) -> None:
    trainer = tiny.trainer(tmp_path, optimisation=CASES[case])
    start = trainer.new_model()
    expected = by_hand(start, CASES[case])
    ours = tiny.weights(fit(trainer, start))
    # In front of a batch norm a bias has no gradient but rounding, which Adam makes steps of.
    noise = () if CASES[case].name == "sgd" else ("trunk.0.bias", "trunk.1.running_mean")
    for name, value in expected.items():
        if name not in noise:
            assert torch.allclose(ours[name].float(), value.float(), atol=2e-5), name


def test_each_setting_changes_the_weights(tmp_path: Path) -> None:
    ends = []
    for case, optimisation in CASES.items():
        trainer = tiny.trainer(tmp_path / case, optimisation=optimisation)
        ends.append(tiny.weights(fit(trainer, trainer.new_model())))
    same = [(i, j) for i in range(len(ends)) for j in range(i) if tiny.same(ends[i], ends[j])]
    names = list(CASES)
    assert [(names[i], names[j]) for i, j in same] == [("loosely clipped", "sgd")]


class Watching:
    """Remembers a network's weights and mode before each step of a trainer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[dict[str, Tensor]] = []
        self.training: list[bool] = []
        step = Step.__call__

        def watched(own: Step, *arguments: Any) -> Any:
            if type(own) is Step:
                (network, *_) = own._parts.networks.values()
                self.seen.append({k: w.clone() for k, w in network.state_dict().items()})
                self.training.append(network.trunk.training)
            return step(own, *arguments)

        monkeypatch.setattr(Step, "__call__", watched)


def loaded(trainer: Trainer, draw: str = "init") -> Model:
    """A model whose trunk counts as loaded."""
    return replace(trainer.new_model(draw), loaded=True)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_frozen_trunk_stays_for_the_first_part_batch_norm_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any
) -> None:
    """Of 6 steps the first ceil(0.6 * 6) = 4: the segment ends inside the second epoch."""
    watch = Watching(monkeypatch)
    optimisation = replace(ADAM, name=name, frozen=0.6, weight_decay=0.1)
    trainer = tiny.trainer(tmp_path, optimisation=optimisation)
    done = fit(trainer, loaded(trainer), epochs=2)
    assert trainer.phases[0].frozen_steps == 4
    assert watch.training == [False] * 4 + [True] * 2
    before = watch.seen[0]
    for step, weights in enumerate([*watch.seen[1:], tiny.weights(done)], start=1):
        moved = {key for key in before if not torch.equal(before[key], weights[key])}
        trunk = {key for key in before if key.startswith("trunk.")}
        assert {"classifier.weight", "classifier.bias"} <= moved
        assert moved & trunk == (set() if step <= 4 else trunk), step


def test_what_was_not_loaded_or_is_trained_in_part_is_not_frozen(tmp_path: Path) -> None:
    frozen = replace(PLAIN, frozen=0.5)
    trainer = tiny.trainer(tmp_path, optimisation=frozen, network="staged")
    fit(trainer, trainer.new_model())
    trainer.fit(
        loaded(trainer), epochs=1, loss=trainer.supervised, name="part", only=after("stage1")
    )
    trainer.fit(loaded(trainer), epochs=1, loss=trainer.supervised, name="whole")
    assert [phase.frozen_steps for phase in trainer.phases] == [0, 0, 2]


def test_frozen_steps_cost_less_going_backward(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path, optimisation=replace(PLAIN, frozen=0.5))
    plain = tiny.trainer(tmp_path / "plain")
    for one, start in ((trainer, loaded(trainer)), (plain, loaded(plain))):
        fit(one, start, epochs=2)
    (frozen,), (whole,) = trainer.phases, plain.phases
    assert frozen.work.forward == whole.work.forward
    assert frozen.step_work == whole.step_work
    classifier = 8 * 6 * tiny.CLASSES  # of the 3 frozen steps its weights' gradient alone
    assert frozen.work.backward == 3 * whole.step_work.backward + 3 * classifier


def test_each_stage_of_srdl_begins_frozen_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watching(monkeypatch)
    trainer = tiny.trainer(tmp_path, optimisation=replace(PLAIN, frozen=0.5))
    new_model = trainer.new_model
    monkeypatch.setattr(
        trainer, "new_model", lambda draw="init": replace(new_model(draw), loaded=True)
    )
    srdl(trainer, 4, SRDLOptions())
    assert watch.training == ([False] * 3 + [True] * 3) * 2
