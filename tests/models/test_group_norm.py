"""Group norm and standardised weights: against plain formulas, and that no image sees another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.models.build import build
from reid_srdl.models.changes import Branches, GroupNorm
from reid_srdl.models.group_norm import StandardConv2d
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network, save_network


def made(name: str = "resnet8", *further: Branches, groups: int = 32) -> Network:
    spec = NetworkSpec(name, 5, (32, 32), changes=(GroupNorm(groups), *further))
    return build(spec, seed=0)


def test_a_filter_is_standardised_and_the_groups_are_normalised() -> None:
    network = made().double()
    block = network.trunk.get_submodule("group2.0")
    x = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    w = block.conv1.weight.detach()
    flat = w.flatten(1)
    hat = (flat - flat.mean(1, keepdim=True)) / (
        flat.var(1, keepdim=True, correction=0) + 1e-10
    ) ** 0.5
    by_hand = F.conv2d(x, hat.view_as(w), stride=2, padding=1)
    assert torch.allclose(block.conv1(x), by_hand, atol=1e-12)
    groups = by_hand.view(2, 16, 2, 4, 4).flatten(2)  # 32 channels: 16 groups of two
    mean, var = groups.mean(2, keepdim=True), groups.var(2, keepdim=True, correction=0)
    normed = ((groups - mean) / (var + 1e-5).sqrt()).view_as(by_hand)
    assert torch.allclose(block.bn1(by_hand), normed, atol=1e-12)


@pytest.mark.parametrize(
    ("groups", "channels", "wanted"),
    [(32, 16, 8), (32, 64, 32), (32, 2048, 32), (8, 64, 8), (32, 48, 8), (32, 17, 1)],
)
def test_a_group_has_two_channels_or_more(groups: int, channels: int, wanted: int) -> None:
    from reid_srdl.models.group_norm import _normed

    assert _normed(nn.BatchNorm2d(channels), groups).num_groups == wanted


def test_an_image_is_answered_alike_whatever_comes_beside_it_and_in_training() -> None:
    network = made().double()
    images = torch.randn(6, 3, 32, 32, dtype=torch.float64)
    alone = network.eval()(images[:1]).logits
    assert torch.allclose(network.train()(images).logits[:1], alone, atol=1e-12)
    assert not [name for name, _ in network.named_buffers()]


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "wrn-28-10", "torchreid:osnet_x0_25"])
def test_no_batch_norm_is_left_in_trunk_or_branches(name: str) -> None:
    if name.startswith("torchreid"):
        pytest.importorskip("torchreid")
    network = made(name) if ":" in name else made(name, Branches())
    kinds = {type(module) for module in network.modules()}
    assert nn.GroupNorm in kinds
    assert StandardConv2d in kinds
    assert nn.BatchNorm2d not in kinds
    assert all(m.bias is not None for m in network.modules() if type(m) is nn.Conv2d)


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    network = made("resnet8", Branches(), groups=4).eval()
    save_network(tmp_path / "w", network)
    loaded = load_network(tmp_path / "w").eval()
    assert loaded.spec == network.spec
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(loaded(images).logits, network(images).logits, atol=1e-5)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="no batch norm"):
        build(NetworkSpec("torchvision:vit_b_32", 5, (224, 224), changes=(GroupNorm(),)), seed=0)
    with pytest.raises(UserError, match=r"model\.norm.*batch norm"):
        experiment({"model": {"norm": "group", "init": "imagenet"}})
    with pytest.raises(UserError, match=r"model\.norm.*instance norm"):
        experiment({"model": {"norm": "group", "ibn": "a"}})
