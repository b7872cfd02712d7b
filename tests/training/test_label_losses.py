"""The losses of labels: pytorch-metric-learning's values and gradients, and plain loops."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import CircleLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from safetensors.torch import load_file
from torch import Tensor, nn
from torch._dynamo.utils import counters

from reid_srdl.config import LossConfig
from reid_srdl.data.batches import Batch
from reid_srdl.data.samplers import Identities
from reid_srdl.errors import UserError
from reid_srdl.methods.kd import Balanced
from reid_srdl.methods.srdl import Referenced
from reid_srdl.models.network import Output
from reid_srdl.seeds import derive
from reid_srdl.training.keys import key_of
from reid_srdl.training.label_losses import (
    CENTRES,
    Centre,
    Circle,
    Smoothed,
    Together,
    Triplet,
    supervised_by,
)
from reid_srdl.training.losses import CrossEntropy, LabelLoss, Outputs, modules_of, rates_of
from reid_srdl.training.pair_terms import batch_hard, centre, circle
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Knowledge
from tests.training import tiny

P_K = torch.arange(8).repeat_interleave(4)
MIXED = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4])  # two of them are alone
ALL = LossConfig.model_validate(
    {
        "smoothing": 0.1,
        "triplet": {"weight": 1.0},
        "circle": {"weight": 0.5},
        "centre": {"weight": 5e-4},
    }
)
Value = Callable[[Tensor, Batch], Tensor]


def features(count: int, length: int = 16, scale: float = 3.0) -> Tensor:
    drawn = torch.randn(count, length, generator=torch.Generator().manual_seed(count))
    return scale * drawn.double()


def batch(labels: Tensor, weight: Tensor | None = None, **more: Any) -> Batch:
    whole = torch.ones(len(labels)) if weight is None else weight
    return Batch(torch.zeros(len(labels), 3, 2, 2), labels, labels, whole, **more)


def with_gradient(value: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    result = value(x)
    result.backward()
    assert x.grad is not None
    return result.detach(), x.grad


def assert_same(ours: Callable[[Tensor], Tensor], theirs: Any, x: Tensor) -> None:
    (value, gradient), (other, others) = with_gradient(ours, x), with_gradient(theirs, x)
    assert value.item() == pytest.approx(other.item(), abs=1e-10, rel=0)
    assert value.item() != 0
    assert torch.allclose(gradient, others, atol=1e-10, rtol=0)


@pytest.mark.parametrize("labels", [P_K, MIXED], ids=["P x K", "mixed"])
@pytest.mark.parametrize("margin", [0.3, 0.0, 4.0, None])
def test_batch_hard_is_metric_learnings(labels: Tensor, margin: float | None) -> None:
    distance = LpDistance(normalize_embeddings=False)
    miner = BatchHardMiner(distance=distance)
    loss = TripletMarginLoss(
        margin=margin or 0.0,
        smooth_loss=margin is None,
        distance=distance,
        reducer=MeanReducer(),
    )
    assert_same(
        lambda x: batch_hard(x, batch(labels), margin),
        lambda x: loss(x, labels, miner(x, labels)),
        features(len(labels)),
    )


@pytest.mark.parametrize("labels", [P_K, MIXED], ids=["P x K", "mixed"])
@pytest.mark.parametrize(("margin", "gamma"), [(0.25, 128.0), (0.4, 80.0), (0.25, 1.0)])
def test_circle_is_metric_learnings(labels: Tensor, margin: float, gamma: float) -> None:
    loss = CircleLoss(m=margin, gamma=gamma, reducer=MeanReducer())
    assert_same(
        lambda x: circle(x, batch(labels), margin, gamma),
        lambda x: loss(x, labels),
        features(len(labels)),
    )


def test_batch_hard_is_the_loop_of_its_definition() -> None:
    x, labels, total = features(32), P_K.tolist(), 0.0
    for a in range(32):
        far = [math.dist(x[a], x[i]) for i in range(32) if labels[i] == labels[a] and i != a]
        near = [math.dist(x[a], x[i]) for i in range(32) if labels[i] != labels[a]]
        total += max(0.0, max(far) - min(near) + 0.3)
    assert batch_hard(x, batch(P_K), 0.3).item() == pytest.approx(total / 32, abs=1e-10)


def test_smoothing_is_the_loop_of_its_definition() -> None:
    z, e = features(6, 5), 0.1
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    p, total = torch.softmax(z, 1), 0.0
    for i, y in enumerate(labels.tolist()):
        q = [(1 - e) * (j == y) + e / 5 for j in range(5)]
        total -= sum(q[j] * math.log(p[i, j]) for j in range(5))
    terms = Smoothed(e).of(Output(z, z, z), batch(labels))
    assert list(terms) == ["smoothed_ce"]  # the plain one is measured by every step
    assert terms["smoothed_ce"].item() == pytest.approx(total / 6, abs=1e-10)


def centres_of(x: Tensor, classes: int = 8) -> nn.Embedding:
    torch.manual_seed(4)
    return nn.Embedding(classes, x.shape[1], dtype=x.dtype)


@pytest.mark.parametrize("weight", [5e-4, 2.0])
def test_centre_is_the_loop_of_its_definition(weight: float) -> None:
    """The centres' gradient is mean 2 (c - x), whatever the weight."""
    x = features(32).requires_grad_()
    centres = centres_of(x)
    value = centre(x, batch(P_K), centres, weight)
    value.backward()
    c, expected = centres.weight.detach(), torch.zeros_like(centres.weight)
    total, pulls = 0.0, torch.zeros_like(x)
    for i, y in enumerate(P_K.tolist()):
        difference = x.detach()[i] - c[y]
        total += weight * sum(d**2 for d in difference.tolist()) / 32
        pulls[i] = weight * 2 * difference / 32
        expected[y] -= 2 * difference / 32
    assert value.item() == pytest.approx(total, rel=1e-12)
    assert x.grad is not None
    assert centres.weight.grad is not None
    assert torch.allclose(x.grad, pulls, atol=1e-10, rtol=0)
    assert torch.allclose(centres.weight.grad, expected, atol=1e-10, rtol=0)


def terms_of(margin: float | None = 0.3) -> dict[str, Value]:
    return {
        "triplet": lambda x, b: batch_hard(x, b, margin),
        "circle": lambda x, b: circle(x, b, 0.25, 128.0),
        "centre": lambda x, b: centre(x, b, centres_of(features(1), 8).to(torch.float64), 0.5),
    }


@pytest.mark.parametrize("name", terms_of())
def test_hidden_labels_are_in_no_pair(name: str) -> None:
    """As if their images were not in the batch."""
    x, seen = features(32), torch.ones(32)
    seen[[1, 2, 9, 31]] = 0
    hidden = P_K.clone()
    hidden[[1, 2, 9, 31]] = 0  # whatever stands there
    value = terms_of()[name]
    whole, gradient = with_gradient(lambda x: value(x, batch(hidden, seen)), x)
    kept = seen.bool()
    less, gradients = with_gradient(lambda x: value(x, batch(P_K[kept])), x[kept])
    assert whole.item() == pytest.approx(less.item(), abs=1e-12)
    assert torch.allclose(gradient[kept], gradients, atol=1e-12, rtol=0)
    assert not gradient[~kept].any()
    assert value(x, batch(hidden, torch.zeros(32))).item() == 0


@pytest.mark.parametrize("name", ["triplet", "circle"])
@pytest.mark.parametrize("labels", [torch.zeros(6).long(), torch.arange(6)])
def test_no_pairs_are_no_loss(name: str, labels: Tensor) -> None:
    value, gradient = with_gradient(lambda x: terms_of()[name](x, batch(labels)), features(6))
    assert value.item() == 0
    assert not gradient.any()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("margin", [0.3, None])
@pytest.mark.parametrize("name", terms_of())
@pytest.mark.parametrize("alike", [0.0, 0.1, 200.0])
def test_identical_features_give_no_nan(
    name: str, kind: torch.dtype, margin: float | None, alike: float
) -> None:
    """All images alike, at the origin or so far from it that squares overflow in float16."""
    x = torch.full((32, 16), alike, dtype=kind)
    value, gradient = with_gradient(lambda x: terms_of(margin)[name](x, batch(P_K)), x)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    if name == "triplet":
        assert value.item() == pytest.approx(0.3 if margin else math.log(2), abs=1e-6)


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
def test_all_of_them_are_compiled_whole() -> None:
    counters.clear()
    loss, centres = supervised_by(ALL), centres_of(features(1).float())

    def value(x: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
        own = batch(labels, weight, modules={CENTRES: centres})
        return torch.stack(list(loss.of(Output(x[:, :8], x, x), own).values())).sum()

    x, weight = features(32).float(), torch.ones(32)
    whole = torch.compile(value, fullgraph=True, dynamic=False)
    ours, gradient = with_gradient(lambda x: whole(x, P_K, weight), x)
    other, others = with_gradient(lambda x: value(x, P_K, weight), x)
    assert counters["stats"]["unique_graphs"] == 1
    assert ours.item() == pytest.approx(other.item(), rel=1e-5)
    assert torch.allclose(gradient, others, atol=1e-5)


def test_a_configuration_makes_its_terms() -> None:
    assert supervised_by(LossConfig()) == CrossEntropy()
    assert supervised_by(ALL) == Together(
        (Smoothed(0.1), Triplet(1.0, 0.3), Circle(0.5, 0.25, 128.0), Centre(5e-4, 0.5))
    )
    soft = LossConfig.model_validate({"triplet": {"weight": 1.0, "margin": None}})
    assert supervised_by(soft) == Together((CrossEntropy(), Triplet(1.0, None)))
    assert list(modules_of(supervised_by(ALL))) == list(rates_of(supervised_by(ALL))) == [CENTRES]
    assert key_of(loss=supervised_by(soft)) != key_of(loss=supervised_by(ALL))


def test_pooled_features_are_compared_before_a_neck_and_normalised_ones_after_it() -> None:
    pooled, ranked = features(32), 1 + features(32).flip(0)
    output = Output(features(32, 8), ranked, pooled)
    own = batch(P_K, modules={CENTRES: centres_of(pooled)})
    terms = supervised_by(ALL).of(output, own)
    assert terms["triplet"] == batch_hard(pooled, own, 0.3)
    assert terms["circle"] == 0.5 * circle(ranked, own, 0.25, 128.0)
    assert terms["centre"] == centre(pooled, own, centres_of(pooled), 5e-4)


def test_every_method_adds_to_all_of_it() -> None:
    """SRDL's stage two has the whole loss of the labels, and the knowledge."""
    x, known = features(32), Knowledge("known", ("table",))
    logits = features(32, 8)
    own = batch(P_K, known={"table": logits.flip(0)}, modules={CENTRES: centres_of(x)})
    outputs, labels = Outputs(Output(logits, x, x), {}, {}, {}), supervised_by(ALL)
    alone = labels(outputs, own)
    assert list(alone) == ["smoothed_ce", "triplet", "circle", "centre"]
    both = Referenced(labels, known, 3.0)(outputs, own)
    assert list(both) == [*alone, "kl"]
    assert all(torch.equal(both[name], alone[name]) for name in alone)
    part = Balanced(labels, known, 4.0, 0.9)(outputs, own)
    assert list(part) == [*(f"weighted_{name}" for name in alone), "soft_ce"]


def test_features_of_another_length_have_no_centres() -> None:
    x = features(32)
    own = batch(P_K, modules={CENTRES: centres_of(x)})
    with pytest.raises(UserError, match="8 numbers, the network's have 16"):
        Centre(1.0, 0.5).of(Output(x, x[:, :8], x[:, :8]), own)


def trainer_with(folder: Path, labels: LabelLoss, **changes: Any) -> Any:
    trainer = tiny.trainer(folder, training_set=tiny.training_set(24), **changes)
    setting = replace(trainer.setting, supervised=labels, sampler=Identities(2, 4))
    return type(trainer)(
        setting,
        training_set=trainer._training_set,
        compute=trainer._compute,
        folder=folder,
        monitor=trainer._loop.monitor,
        extract_batch=10,
    )


def test_centres_descend_at_their_own_rate_beside_the_network(tmp_path: Path) -> None:
    """Three steps by hand: c -= lr * mean 2 (c - x), and no decay, momentum or schedule."""
    seen: list[tuple[Tensor, Tensor]] = []

    @dataclass(frozen=True)
    class Watched(Centre):
        def of(self, output: Any, batch: Any) -> Any:
            seen.append((output.pooled.detach().clone(), batch.labels.clone()))
            return super().of(output, batch)

    trainer = trainer_with(tmp_path, Watched(0.01, 0.5))
    trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="one")
    (path,) = tmp_path.glob("one-*.safetensors")
    (saved,) = (v for k, v in load_file(path).items() if k.startswith("module.one."))
    torch.manual_seed(derive(0, "module", "one", CENTRES))
    c = nn.Embedding(tiny.CLASSES, 6).weight.detach()
    assert len(seen) == 3
    for x, labels in seen:
        step = torch.zeros_like(c)
        for row, y in zip(x, labels.tolist(), strict=True):
            step[y] += 2 * (c[y] - row) / 8
        c = c - 0.5 * step
    assert torch.allclose(saved, c, atol=1e-6)


def test_networks_in_turn_have_centres_of_their_own(tmp_path: Path) -> None:
    trainer = trainer_with(tmp_path, supervised_by(ALL))
    starts = {"one": trainer.new_model(), "other": trainer.new_model("other", name="wide")}
    losses = dict.fromkeys(starts, trainer.supervised)
    trainer.fit_together(starts, losses, epochs=1, name="two", in_turn=True)
    (path,) = tmp_path.glob("two-*.safetensors")
    saved = {k: v for k, v in load_file(path).items() if k.startswith("module.")}
    assert {key: len(value.T) for key, value in saved.items()} == {
        f"module.one.{CENTRES}.weight": 6,
        f"module.other.{CENTRES}.weight": 12,
    }
    for owner, length in (("one", 6), ("other", 12)):
        torch.manual_seed(derive(0, "module", owner, CENTRES))
        start = nn.Embedding(tiny.CLASSES, length).weight
        assert not torch.equal(start, saved[f"module.{owner}.{CENTRES}.weight"])


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
def test_a_phase_under_all_of_them_is_compiled_whole(tmp_path: Path) -> None:
    ends = []
    counters.clear()
    for compiled in (True, False):
        compute = Compute(torch.device("cpu"), "fp32", 1, compile=compiled)
        trainer = trainer_with(tmp_path, supervised_by(ALL), compute=compute)
        done = trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="one")
        ends.append(tiny.weights(done))
    assert counters["stats"]["unique_graphs"] >= 1
    assert not counters["graph_break"]
    one, other = ends
    assert all(torch.allclose(one[key], other[key], atol=1e-3) for key in one)
