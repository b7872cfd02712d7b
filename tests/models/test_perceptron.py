"""Perceptrons: as the lecture has them, their dropout, and the layers that a bound holds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.changes import Branches, Dropout, InputDropout
from reid_srdl.models.part import part
from reid_srdl.models.perceptron import Hidden, Perceptron
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.max_norm import clip_units, units_of


def spec(*changes: Dropout | InputDropout, name: str = "mlp-800") -> NetworkSpec:
    return NetworkSpec(name, 10, (28, 28), 1, changes)


@pytest.mark.parametrize(("name", "units"), [("mlp-1200", 1200), ("mlp-800", 800)])
def test_two_layers_of_rectified_units(name: str, units: int) -> None:
    network = build(spec(name=name), seed=0).eval()
    count = sum(p.numel() for p in network.parameters())
    assert count == (784 + 1) * units + (units + 1) * units + (units + 1) * 10
    x = torch.randn(3, 1, 28, 28)
    one, two = (network.trunk.get_submodule(f"hidden{n}.linear") for n in (1, 2))
    h1 = (x.flatten(1) @ one.weight.T + one.bias).clamp(min=0)
    h2 = (h1 @ two.weight.T + two.bias).clamp(min=0)
    output = network(x, {"stages"})
    assert torch.allclose(output.features, h2, atol=1e-5)
    assert torch.allclose(output.stages["hidden1"][:, :, 0, 0], h1, atol=1e-5)
    expected = h2 @ network.classifier.weight.T + network.classifier.bias
    assert torch.allclose(output.logits, expected, atol=1e-5)
    # He: deviation sqrt(2 / fan in), of the grey layer, too
    assert float(one.weight.detach().std()) == pytest.approx(math.sqrt(2 / 784), rel=0.01)
    assert float(two.weight.detach().std()) == pytest.approx(math.sqrt(2 / units), rel=0.01)


def test_a_branch_ends_at_the_first_layer() -> None:
    network = build(NetworkSpec("mlp-800", 10, (28, 28), 1, (Branches(),)), seed=0).eval()
    x = torch.randn(2, 1, 28, 28)
    branch = part(network, "branch1").eval()
    assert torch.equal(branch(x).logits, network(x, {"branches"}).branches["branch1"].logits)


def test_dropout_of_pixels_and_of_both_hidden_layers_in_training_alone() -> None:
    plain = build(spec(), seed=0)
    network = build(spec(Dropout(0.5), InputDropout(0.2)), seed=0)
    seen: dict[str, torch.Tensor] = {}
    trunk = network.trunk
    assert isinstance(trunk, Perceptron)
    for name, module in (("pixels", trunk.hidden1), ("h1", trunk.hidden2)):
        module.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    network.classifier.register_forward_pre_hook(lambda _, given: seen.update({"h2": given[0]}))
    x = torch.rand(64, 1, 28, 28) + 1
    network.train()(x)
    pixels = seen["pixels"]
    assert float((pixels == 0).float().mean()) == pytest.approx(0.2, abs=0.02)
    assert torch.allclose(pixels[pixels != 0], x[pixels != 0] / 0.8)
    for name in ("h1", "h2"):  # half of the units are zero of themselves
        assert float((seen[name] == 0).float().mean()) == pytest.approx(0.75, abs=0.06)
    assert torch.equal(network.eval()(x).logits, plain.eval()(x).logits)


def test_other_networks_do_not_drop_pixels() -> None:
    with pytest.raises(UserError, match=r"resnet32 cannot have input_dropout.*perceptrons"):
        build(NetworkSpec("resnet32", 10, changes=(InputDropout(),)), seed=0)


def test_a_bound_holds_each_unit_and_leaves_smaller_ones() -> None:
    network = build(spec(), seed=0)
    weights = units_of(network)
    assert len(weights) == 3
    with torch.no_grad():
        weights[0][:2] *= 10
    before = [weight.detach().clone() for weight in weights]
    clip_units(weights, 2.0)
    for was, now in zip(before, weights, strict=True):
        for row, clipped in zip(was, now.detach(), strict=True):
            assert torch.allclose(clipped, row * min(1.0, 2.0 / float(row.norm())), rtol=1e-5)
    kernel = nn.Parameter(torch.full((2, 3, 3, 3), 1.0).to(memory_format=torch.channels_last))
    clip_units([kernel], 1.0)
    assert torch.allclose(kernel.detach().flatten(1).norm(dim=1), torch.ones(2))


def test_a_bound_without_a_layer_is_an_error() -> None:
    network = build(spec(), seed=0)
    for layer in (*network.trunk.children(), network.classifier):
        if isinstance(layer, Hidden | nn.Linear):
            layer.requires_grad_(False)
    with pytest.raises(UserError, match=r"optim\.max_norm: .* trains no linear") as caught:
        units_of(network)
    assert caught.value.exit_status == 2
