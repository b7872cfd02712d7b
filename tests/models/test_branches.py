"""Branches and parts: their layers, what they answer, what remains when they are cut free."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.changes.part import Part
from reid_srdl.models.network import Network
from reid_srdl.models.part import part
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network, save_network

BOTH = frozenset({"branches"})
SIZE = (64, 64)


def images() -> torch.Tensor:
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def with_branches(name: str) -> Network:
    if name.startswith("timm:"):
        pytest.importorskip("timm", reason="timm is an extra")
    return build(NetworkSpec(name, 5, SIZE, changes=(Branches(),)), seed=0).eval()


def expected_parameters(channels: list[int], classes: int) -> int:
    """A branch's parameters from its channels, counted by hand."""
    total = channels[-1] * classes + classes
    for inputs, outputs in pairwise(channels):
        middle = outputs // 4
        total += inputs * middle + 9 * middle * middle + middle * outputs
        total += 2 * (middle + middle + outputs)
    return total


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet32", [16, 32, 64]),
        ("resnet18", [64, 128, 256, 512]),
        ("densenet121", [256, 512, 1024, 1024]),
        ("torchvision:mobilenet_v2", [16, 24, 32, 96, 1280]),
        ("torchreid:resnet50_fc512", [256, 512, 1024, 512]),  # compared with features of 512
        ("timm:resnet18", [64, 128, 256, 512]),
    ],
)
def test_a_branch_follows_every_stage_but_the_last(name: str, channels: list[int]) -> None:
    network = with_branches(name)
    names = [f"branch{number}" for number in range(1, len(channels))]
    assert list(network.branches) == names
    for number, branch in enumerate(network.branches.values()):
        count = sum(parameter.numel() for parameter in branch.parameters())
        assert count == expected_parameters(channels[number:], 5)
    with torch.no_grad():
        output = network(images(), needs=BOTH)
        plain = network(images())
    assert list(output.branches) == names
    assert plain.branches == {}
    assert torch.equal(plain.logits, output.logits)
    for branch in output.branches.values():
        assert branch.features.shape == output.features.shape
        assert branch.logits.shape == (2, 5)


def test_a_branch_computes_what_it_says() -> None:
    network = with_branches("resnet32")
    maps = network(images(), needs={"stages"}).stages["group2"]
    layers = list(network.branches["branch2"].layers[0])  # type: ignore[index,arg-type,union-attr]
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 3
    assert [type(layer) for layer in layers] == kinds
    assert [layer.stride for layer in layers[::3]] == [(1, 1), (2, 2), (1, 1)]
    for layer in layers:
        maps = layer(maps)
    assert maps.shape[1:] == (64, 16, 16)
    answer = network(images(), needs=BOTH).branches["branch2"]
    assert torch.allclose(answer.features, maps.mean(dim=(2, 3)))
    weights = network.branches["branch2"].classifier.weight
    assert torch.allclose(answer.logits, answer.features @ weights.T, atol=1e-6)


def test_branches_reach_the_trunk_and_learn() -> None:
    network = with_branches("resnet32").train()
    branches = network(images(), needs=BOTH).branches
    sum(branch.logits.square().sum() for branch in branches.values()).backward()
    learned = {name for name, p in network.named_parameters() if p.grad is not None}
    own = {name for name, _ in network.named_parameters() if name.startswith("branches.")}
    assert own <= learned
    assert "trunk.group2.4.conv2.weight" in learned
    assert not any(name.startswith(("trunk.group3", "classifier")) for name in learned)


def test_branches_up_to_the_stage_where_a_pass_ends() -> None:
    output = with_branches("resnet18")(images(), needs=BOTH, until="layer2")
    assert list(output.branches) == ["branch1", "branch2"]
    assert list(output.stages) == ["layer2"]


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "torchreid:osnet_x0_25"])
def test_a_branch_cut_free_answers_as_it_did(name: str, tmp_path: Path) -> None:
    network = with_branches(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    whole = network(images(), needs=BOTH).branches["branch1"]
    alone = part(network, "branch1")
    assert alone.spec == NetworkSpec(name, 5, SIZE, changes=(Branches(), Part("branch1")))
    got = alone(images(), needs={"stages"})
    assert torch.equal(got.logits, whole.logits)
    assert torch.equal(got.features, whole.features)
    assert list(got.stages) == [network.stages[0]] == list(alone.stages)
    own = alone.state_dict()
    trunk = {key for key in own if key.startswith("trunk.")}
    assert all(torch.equal(own[key], before[key]) for key in trunk)
    layers = [p for k, p in network.branches["branch1"].named_parameters()]
    shallow = sum(p.numel() for k, p in network.named_parameters() if k in trunk)
    assert sum(p.numel() for p in alone.parameters()) == shallow + sum(p.numel() for p in layers)
    assert trunk < {key for key in before if key.startswith("trunk.")}
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())

    fresh = build(alone.spec, seed=0)
    assert fresh.state_dict().keys() == own.keys()
    save_network(tmp_path / "w", alone)
    loaded = load_network(tmp_path / "w").eval()
    assert loaded.spec == alone.spec
    assert torch.allclose(loaded(images()).logits, whole.logits, atol=1e-5)


def test_what_a_cut_branch_left_behind_is_gone() -> None:
    alone = build(NetworkSpec("resnet18", 5, changes=(Branches(), Part("branch2"))), seed=0)
    kept = {key.split(".")[1] for key in alone.state_dict() if key.startswith("trunk.")}
    assert kept == {"conv1", "bn1", "layer1", "layer2"}


def test_the_trunk_alone_is_the_network_without_branches() -> None:
    network = with_branches("resnet32")
    trunk = part(network, "trunk")
    assert trunk.spec == NetworkSpec("resnet32", 5, SIZE)
    plain = build(trunk.spec, seed=0).eval()
    by_change = build(NetworkSpec("resnet32", 5, SIZE, 3, (Branches(), Part("trunk"))), seed=0)
    for other in (plain, by_change.eval()):
        assert other.state_dict().keys() == trunk.state_dict().keys()
        assert torch.equal(other(images()).logits, trunk(images()).logits)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ((Branches(), Branches()), "branches once"),
        ((Branches(), Part("branch1"), Branches()), "before it is cut"),
        ((Part("branch1"),), "no part 'branch1'"),
        ((Part("trunk"),), "no part 'trunk'"),
        ((Branches(), Part("branch3")), "trunk, branch1, branch2"),
        ((Branches(), Part("branch1"), Part("trunk")), "no part 'trunk'"),
    ],
)
def test_changes_that_cannot_be_are_told(changes: tuple[Branches | Part, ...], what: str) -> None:
    with pytest.raises(UserError, match=what):
        build(NetworkSpec("resnet32", 5, changes=changes), seed=0)
