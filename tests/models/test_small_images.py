"""ResNet, WRN and DenseNet-BC for small images: shapes, shortcuts, initialisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reid_srdl.models.build import build
from reid_srdl.models.cifar_resnet import BasicBlock, cifar_resnet
from reid_srdl.models.densenet_bc import densenet_bc
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.wide_resnet import WideBlock, wide_resnet

SMALL = {
    "resnet": (lambda: cifar_resnet(7, 14), 64),
    "wrn": (lambda: wide_resnet(7, 10, 2), 128),
    "densenet": (lambda: densenet_bc(7, 16, 8), 32),  # 16 -> 32 / 2 -> 32 / 2 -> 32
}


@pytest.mark.parametrize("name", SMALL)
def test_one_eighth_less_one_halving(name: str) -> None:
    """Two halvings: the last maps of a 32x32 image are 8x8, of 64x32 ones 16x8."""
    make, dim = SMALL[name]
    network = make().eval()
    for height, width in ((32, 32), (64, 32)):
        images = torch.randn(2, 3, height, width)
        assert network.trunk(images).shape == (2, dim, height // 4, width // 4)
        output = network(images)
        assert output.logits.shape == (2, 7)
        assert output.features.shape == (2, dim)


def test_the_shortcut_reads_every_second_pixel_and_adds_zero_channels() -> None:
    block = BasicBlock(2, 4, stride=2)
    nn.init.zeros_(block.bn2.weight)  # so that the block is its shortcut
    x = torch.arange(2.0 * 4 * 4).reshape(1, 2, 4, 4)
    expected = torch.zeros(1, 4, 2, 2)
    expected[0, 0] = torch.tensor([[0.0, 2.0], [8.0, 10.0]])
    expected[0, 1] = expected[0, 0] + 16
    assert torch.equal(block(x), expected)
    assert sum(p.numel() for p in block.parameters()) == 2 * 4 * 9 + 4 * 4 * 9 + 4 * 4


def test_a_wide_block_is_preactivated() -> None:
    block = WideBlock(3, 3, stride=1)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(block(x), x)  # no ReLU behind the sum
    block = WideBlock(3, 5, stride=2).eval()
    nn.init.zeros_(block.conv2.weight)
    assert block.shortcut is not None
    activated = torch.relu(x / (1 + 1e-5) ** 0.5)  # batch norm at its initial statistics
    assert torch.allclose(block(x), block.shortcut(activated), atol=1e-6)


@pytest.mark.parametrize("name", ["resnet32", "wrn-28-10", "densenet-bc-190-40"])
def test_initialisation_is_he_normal_by_fan_out(name: str) -> None:
    network = build(NetworkSpec(name, 10), seed=0)
    ratios = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            ratios.append(module.weight.var().item() / (2 / fan_out))
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.02)
    assert not network.classifier.bias.any()


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name: str) -> None:
    network: Network = SMALL[name][0]()
    output = network(torch.randn(4, 3, 16, 16))
    output.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
