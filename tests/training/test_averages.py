"""Averages of weights against a plain loop, and who teaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.step import Step
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Knowledge, Model, after, named
from tests.training import tiny

AVERAGED = Optimisation(StepDecay(0.1), 0.9, True, 2e-4, 8, ema=0.7)
TEACHING = replace(AVERAGED, ema_teaches=True)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, dict[str, Tensor]]]:
    """The weights of every network after each step, by the network's name."""
    seen: list[dict[str, dict[str, Tensor]]] = []
    step = Step.__call__

    def watched(own: Step, *arguments: Any) -> Any:
        told = step(own, *arguments)
        if type(own) is Step:
            networks = own._parts.networks
            seen.append(
                {n: {k: w.clone() for k, w in networks[n].state_dict().items()} for n in networks}
            )
        return told

    monkeypatch.setattr(Step, "__call__", watched)
    return seen


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.7, 0.999])
def test_averages_are_those_of_a_loop_and_buffers_are_copied(
    tmp_path: Path, steps: list[Any], decay: float, in_turn: bool
) -> None:
    trainer = tiny.trainer(tmp_path, optimisation=replace(AVERAGED, ema=decay))
    starts = {"one": trainer.new_model(), "other": trainer.new_model("other", name="wide")}
    losses = dict.fromkeys(starts, trainer.supervised)
    done = trainer.fit_together(starts, losses, epochs=2, name="fit", in_turn=in_turn)
    assert len(steps) == 6
    for name, model in done.items():
        assert model.averaged is not None
        assert tiny.same(tiny.weights(model), steps[-1][name])
        parameters = dict(model.network.named_parameters())
        ours = tiny.weights(model.averaged)
        expected = {k: w.double() for k, w in tiny.weights(starts[name]).items()}
        for seen in steps:
            for key, value in seen[name].items():
                d = decay if key in parameters else 0.0
                expected[key] = d * expected[key] + (1 - d) * value
        for key, value in expected.items():
            assert torch.allclose(ours[key].double(), value, atol=1e-6), key


def test_an_average_changes_nothing_but_itself(tmp_path: Path) -> None:
    plain, averaged = (
        tiny.trainer(tmp_path / str(number), optimisation=optimisation)
        for number, optimisation in enumerate((replace(AVERAGED, ema=None), AVERAGED))
    )
    ends = [srdl(trainer, 4, SRDLOptions())["srdl"] for trainer in (plain, averaged)]
    assert tiny.same(*map(tiny.weights, ends))
    assert ends[0].averaged is None
    assert ends[1].averaged is not None
    assert not tiny.same(tiny.weights(ends[1]), tiny.weights(ends[1].averaged))


def logits(trainer: Trainer, model: Model) -> Tensor:
    with torch.no_grad():
        network = model.network.eval()
        return torch.cat([network(x).logits for x in tiny.training_set().images.in_order(26)])


@pytest.mark.parametrize("teaches", [False, True])
def test_knowledge_is_the_plain_networks_unless_the_average_teaches(
    tmp_path: Path, teaches: bool
) -> None:
    trainer = tiny.trainer(tmp_path, optimisation=TEACHING if teaches else AVERAGED)
    kd(trainer, 2, KDOptions(teacher="wide"))
    knowledge = Knowledge("", (trainer.phases[1].key,))
    plain = logits(trainer, trainer.fitted("teacher"))
    averaged = logits(trainer, trainer.fitted("teacher.ema"))
    source, other = (averaged, plain) if teaches else (plain, averaged)
    table = tiny.table(trainer, knowledge)
    assert torch.allclose(table, source, atol=2e-3)
    assert not torch.allclose(table, other, atol=2e-3)
    assert trainer.taught is teaches


def test_names_are_known_from_the_plan(tmp_path: Path) -> None:
    both = tiny.planner(optimisation=AVERAGED), tiny.trainer(tmp_path, optimisation=AVERAGED)
    planned, trained = (named(vanilla(one, 2, VanillaOptions(models=2))) for one in both)
    assert list(planned) == ["vanilla", "vanilla.ema", "vanilla-2", "vanilla-2.ema"]
    assert [(n, m.key) for n, m in planned.items()] == [(n, m.key) for n, m in trained.items()]
    assert len({model.key for model in planned.values()}) == 4
    with pytest.raises(UserError, match=r"a network 'one\.ema' of its own"):
        named({"one": planned["vanilla"], "one.ema": planned["vanilla-2"]})


def test_what_begins_from_an_averaged_model_begins_from_its_last_weights(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path, optimisation=AVERAGED, network="staged")
    first = trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="first")
    halves = trainer.copy(first, trainer.new_model("other"), 2)
    assert not halves.kept
    stage = "trunk.stage1.0.weight"
    assert torch.equal(tiny.weights(halves)[stage], tiny.weights(first)[stage])
    loss = trainer.supervised
    whole = trainer.fit(first, epochs=1, loss=loss, name="second", only=after("stage2"))
    assert first.averaged is not None
    assert whole.averaged is not None
    assert torch.equal(tiny.weights(whole.averaged)[stage], tiny.weights(first)[stage])
