"""Deep Mutual Learning: against plain loops, its two strategies, its cost, its cohorts."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo.utils import counters

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.methods.dml import DMLOptions, Mutual, dml
from reid_srdl.methods.entropy import EntropyOptions, entropy
from reid_srdl.training.losses import CrossEntropy
from reid_srdl.training.precision import Compute
from tests.methods import exact
from tests.training import tiny


def by_hand(starts: dict[str, Any], options: DMLOptions, hidden: int = 0) -> dict[str, Any]:
    """Five steps of Algorithm 1, or of all at once."""
    nets = {name: exact.Descent(model.network) for name, model in starts.items()}
    T = options.temperature  # noqa: N806

    def loss(name: str, answers: dict[str, Any], labels: Tensor, known: Tensor) -> Tensor:
        own = answers[name]
        peers = [answers[other] for other in answers if other != name]
        each = F.cross_entropy(own.logits, labels, reduction="none")
        total = (known * each).sum() / known.sum().clamp(min=1)
        log_q = (own.logits / T).log_softmax(1)
        posteriors = [(peer.logits.detach() / T).softmax(1) for peer in peers]
        if options.strategy == 2:
            posteriors = [sum(posteriors) / len(posteriors)]
        for p in posteriors:
            total = total + T**2 * (p * (p.log() - log_q)).sum(1).mean() / len(posteriors)
        for peer in peers if options.feature_l2 else []:
            squares = (own.features - peer.features.detach()).square()
            total = total + options.feature_l2 * squares.sum(1).mean() / len(peers)
        return total

    for batch in exact.batches("mutual", hidden):
        answers = {name: one.net(batch.images) for name, one in nets.items()}
        if options.order == "at_once":
            losses = {name: loss(name, answers, batch.labels, batch.weight) for name in nets}
            for name, one in nets.items():
                one.down(losses[name])
            continue
        for name, one in nets.items():
            one.down(loss(name, answers, batch.labels, batch.weight))
            with torch.no_grad():  # the refreshed answer; its statistics are thrown away
                answers = {**answers, name: copy.deepcopy(one.net)(batch.images)}
    return {name: one.net for name, one in nets.items()}


def started(trainer: Any, options: DMLOptions) -> dict[str, Any]:
    starts = {"dml": trainer.new_model()}
    for number, peer in enumerate(options.peers, start=2):
        name = f"dml-{number}"
        starts[name] = trainer.new_model(name, name=peer or "tiny")
    return starts


CASES: dict[str, dict[str, Any]] = {
    "two in turn": {},
    "two at once": {"order": "at_once"},
    "three in turn": {"networks": 3, "temperature": 2.0},
    "three at once, mean posterior": {"networks": 3, "order": "at_once", "strategy": 2},
    "unlike": {"networks": ("wide", "tiny")},
    "features": {"feature_l2": 0.01, "networks": 3},
}


@pytest.mark.parametrize("hidden", [0, 20])
@pytest.mark.parametrize("case", CASES)
def test_five_steps_are_those_of_a_plain_loop(tmp_path: Path, case: str, hidden: int) -> None:
    options = DMLOptions(**CASES[case])
    starts = started(exact.trainer(tmp_path / "hand", "tiny"), options)
    expected = by_hand(starts, options, hidden)
    done = dml(exact.trainer(tmp_path / "run", "tiny", hidden), 1, options)
    assert list(done) == list(starts)
    assert exact.gap(done, expected) < 1e-9


def test_refreshed_answers_and_those_of_before_lead_apart(tmp_path: Path) -> None:
    turn, once = (
        dml(exact.trainer(tmp_path, "tiny"), 1, DMLOptions(order=order))  # type: ignore[arg-type]
        for order in ("in_turn", "at_once")
    )
    assert exact.gap(turn, {name: model.network for name, model in once.items()}) > 1e-3


def outputs(count: int, classes: int = 5) -> Any:
    torch.manual_seed(count)
    one = [
        SimpleNamespace(logits=3 * torch.randn(6, classes).double(), features=torch.randn(6, 4))
        for _ in range(count)
    ]
    one[0].logits.requires_grad_()
    peers = {str(number): peer for number, peer in enumerate(one[1:])}
    return SimpleNamespace(own=one[0], peers=peers, frozen={}, heads={})


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_both_strategies_have_the_same_gradient(temperature: float) -> None:
    batch = SimpleNamespace(labels=torch.zeros(6, dtype=torch.int64), weight=torch.ones(6))
    slopes, values = [], []
    for strategy in (1, 2):
        seen = outputs(4)
        terms = Mutual(CrossEntropy(), strategy, temperature=temperature)(seen, batch)  # type: ignore[arg-type]
        terms["kl"].backward()
        slopes.append(seen.own.logits.grad)
        values.append(terms["kl"].item())
    assert torch.allclose(*slopes, atol=1e-14)
    assert values[0] > values[1] + 1e-3  # the posteriors' own unlikeness, a constant
    seen = outputs(4)
    p = [(one.logits / temperature).softmax(1) for one in (seen.own, *seen.peers.values())]
    expected = temperature * sum(p[0] - one for one in p[1:]) / 3 / 6
    assert torch.allclose(slopes[0], expected.detach(), atol=1e-12)


@pytest.mark.parametrize("networks", [2, 3])
def test_what_the_orders_cost(networks: int) -> None:
    """F counts one forward pass, 2 F a backward one but for the gradient of the images."""
    vanilla = 8 * (16 * 8 * 6 * 27 + 6 * 3), 8 * (16 * 8 * 6 * 27 + 2 * 6 * 3)
    for order, passes in (("in_turn", 2 * networks - 1), ("at_once", networks)):
        planner = tiny.planner()
        dml(planner, 1, DMLOptions(networks=networks, order=order))  # type: ignore[arg-type]
        work = planner.phases[0].step_work
        assert work.forward == passes * vanilla[0]
        assert work.backward == networks * vanilla[1]


@pytest.mark.parametrize("networks", [2, 3])
def test_the_cost_of_a_deep_network_is_that_of_the_source(networks: int) -> None:
    """(4 K - 1) F and 3 K F, but for the gradient of the images, which nobody needs."""
    for order, expected in (("in_turn", 4 * networks - 1), ("at_once", 3 * networks)):
        planner = tiny.planner(network="resnet32")
        dml(planner, 1, DMLOptions(networks=networks, order=order))  # type: ignore[arg-type]
        one = planner.phases[0].step_work
        forward = one.forward / (2 * networks - 1 if order == "in_turn" else networks)
        assert one.total / forward == pytest.approx(expected, rel=0.01)


def test_features_of_unlike_lengths_are_told_before_training() -> None:
    planner = tiny.planner()
    dml(planner, 1, DMLOptions(networks=("wide",), feature_l2=0.1))
    with pytest.raises(UserError, match="features of 6 and of 12 numbers have no distance"):
        _ = planner.phases[0].work


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"networks": 1}, "method.networks: a cohort of 1"),
        ({"networks": []}, "method.networks: a cohort of 1"),
        ({"networks": 0}, "method.networks: a cohort of 0"),
        ({"networks": ["resnet32", "resnet111"]}, "method.networks: no such network 'resnet111'"),
        ({"strategy": 3}, "method.strategy"),
        ({"order": "random"}, "method.order"),
        ({"feature_l2": -1}, "method.feature_l2"),
        ({"alpha": 1}, "alpha"),
    ],
)
def test_bad_input_is_told_before_any_data(options: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError) as caught:
        experiment({"method": {"name": "dml", **options}})
    assert what in f"{caught.value.what} {caught.value.hint}"
    assert caught.value.exit_status == 2


def test_the_cohort_by_its_names() -> None:
    method = {"name": "dml", "networks": ["resnet32", "resnet110"]}
    done = rehearse(experiment({"method": method, "train": {"epochs": 4}}))
    (phase,) = done.phases
    assert [spec.name for spec in phase.specs.values()] == ["resnet50", "resnet32", "resnet110"]
    assert list(done.returned) == ["dml", "dml-2", "dml-3"]
    assert done.ensembles == ("dml+dml-2+dml-3",)


def penalised_by_hand(start: Any, hidden: int) -> Any:
    """Five steps of cross-entropy less a tenth of the entropy."""
    hand = exact.Descent(start)
    for batch in exact.batches("entropy", hidden):
        q = hand.net(batch.images).logits.softmax(1)
        ce = -q[range(exact.BATCH), batch.labels].log()
        known = batch.weight
        unsure = -(q * q.log()).sum(1).mean()
        hand.down((known * ce).sum() / known.sum().clamp(min=1) - 0.1 * unsure)
    return hand.net


@pytest.mark.parametrize("hidden", [0, 20])
def test_the_control_is_cross_entropy_less_entropy(tmp_path: Path, hidden: int) -> None:
    trainer = exact.trainer(tmp_path, "tiny", hidden)
    expected = penalised_by_hand(trainer.new_model().network, hidden)
    assert exact.gap(entropy(trainer, 1, EntropyOptions()), {"entropy": expected}) < 1e-9


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
@pytest.mark.parametrize("strategy", [1, 2])
def test_it_is_compiled_whole(tmp_path: Path, strategy: Any) -> None:
    options = DMLOptions(networks=3, strategy=strategy, feature_l2=0.1, order="at_once")
    counters.clear()
    ends = []
    for compiled in (True, False):
        compute = Compute(torch.device("cpu"), "fp32", 1, compile=compiled)
        images = tiny.training_set(8)  # one step: rounding has no time to grow
        done = dml(tiny.trainer(tmp_path, compute=compute, training_set=images), 1, options)
        ends.append({f"{n}.{k}": w for n in done for k, w in tiny.weights(done[n]).items()})
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    assert all(torch.allclose(ends[0][key], ends[1][key], atol=1e-5) for key in ends[1])
