"""Costs against the reference's values and hand-computed ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import densenet121, resnet50

from reid_srdl.analysis.cost import count_parameters, multiply_accumulates, trcost


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    network: nn.Module = resnet50(num_classes=751)
    return network


def test_resnet50_is_as_the_reference_counts_it(resnet: nn.Module) -> None:
    assert count_parameters(resnet) == 25_046_831
    classifier = 2048 * (1000 - 751)  # the reference counts the 1000 classes of ImageNet at 224
    assert multiply_accumulates(resnet, 256, 128) / 1e9 == pytest.approx(2.671, abs=5e-4)
    at_224 = multiply_accumulates(resnet, 224, 224) + classifier
    assert at_224 / 1e9 == pytest.approx(4.089, abs=5e-4)


def test_densenet121_is_as_the_reference_counts_it() -> None:
    network = densenet121(num_classes=751)
    assert count_parameters(network) == 7_723_631
    assert multiply_accumulates(network, 256, 128) / 1e9 == pytest.approx(1.851, abs=5e-4)


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def test_hand_computed_count() -> None:
    network = small()
    assert multiply_accumulates(network, 6, 4) == 6 * 4 * 8 * 3 * 9 + 8 * 10
    assert count_parameters(network) == (8 * 27 + 8) + 2 * 8 + (80 + 10)


def test_counting_leaves_the_network_as_it_was() -> None:
    network = small().train()
    network[1].eval()  # frozen statistics, as fine-tuning has them
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random_state = torch.get_rng_state()
    multiply_accumulates(network, 6, 4)
    assert torch.equal(random_state, torch.get_rng_state())
    assert [module.training for module in network.modules()] == [True, True, False] + [True] * 4
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_modes_come_back_when_the_network_fails() -> None:
    network = nn.Sequential(nn.Conv2d(4, 8, 1))
    with pytest.raises(RuntimeError):
        multiply_accumulates(network, 6, 4)
    assert network.training


def test_other_types_and_devices_count_alike() -> None:
    expected = multiply_accumulates(small(), 6, 4)
    assert multiply_accumulates(small().to(torch.bfloat16), 6, 4) == expected
    assert multiply_accumulates(small().to("meta"), 6, 4) == expected


def test_trcost_is_the_papers_product() -> None:
    # ResNet-50 on Market-1501, 120 epochs: 2.671e9 * 120 * 12936 / 1e16
    assert trcost(2_671_000_000, 120, 12_936) == pytest.approx(0.41462467, rel=1e-6)
    # the reference's values for CIFAR, by multiply-accumulates
    assert trcost(5_243_000_000, 200, 50_000) == pytest.approx(5.24, abs=5e-3)
    assert trcost(9_302_000_000, 300, 50_000) == pytest.approx(13.95, abs=5e-3)


def test_trcost_counts_extraction_and_teachers() -> None:
    plain = trcost(1_000_000, 150, 10_000)
    assert trcost(1_000_000, 150, 10_000, extraction_passes=1) / plain == pytest.approx(151 / 150)
    teacher = trcost(3_000_000, 150, 10_000, extraction_passes=1)
    taught = trcost(1_000_000, 150, 10_000, teachers=[teacher, 1.5])
    assert taught == pytest.approx(plain + teacher + 1.5)
