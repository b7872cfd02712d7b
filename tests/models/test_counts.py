"""Parameters and multiply-accumulates of the paper's networks, against the reference's numbers."""

from __future__ import annotations

import pytest

from reid_srdl.analysis.cost import count_parameters, multiply_accumulates
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec


@pytest.mark.parametrize(
    ("name", "with_10", "with_100", "macs", "digits"),
    [
        ("resnet32", 464_154, 470_004, 68.87e6, 0.005e6),
        ("resnet110", 1_727_962, 1_733_812, 252.9e6, 0.05e6),
        ("wrn-28-10", 36_479_194, 36_536_884, 5.243e9, 0.0005e9),
        ("densenet-bc-190-40", 25_624_430, 25_821_620, 9.302e9, 0.0005e9),
    ],
)
def test_networks_for_small_images(
    name: str, with_10: int, with_100: int, macs: float, digits: float
) -> None:
    assert count_parameters(build(NetworkSpec(name, 10), seed=0)) == with_10
    network = build(NetworkSpec(name, 100), seed=0).to("meta")
    assert count_parameters(network) == with_100
    assert multiply_accumulates(network, 32, 32) == pytest.approx(macs, abs=digits)
    # Tiny ImageNet's 64x64: four times the maps; the classifier costs the same.
    classifier = network.classifier.weight.numel()
    at_32, at_64 = (multiply_accumulates(network, side, side) for side in (32, 64))
    assert at_64 - classifier == 4 * (at_32 - classifier)


@pytest.mark.parametrize(
    ("name", "classes", "parameters", "height", "width", "macs"),
    [
        ("densenet201", 1000, 20_013_928, 224, 224, 4.291e9),
        ("resnet50", 751, 25_046_831, 256, 128, 2.671e9),
        ("resnet50", 1000, 25_557_032, 224, 224, 4.089e9),
        ("densenet121", 751, 7_723_631, 256, 128, 1.851e9),
    ],
)
def test_networks_of_torchvision(
    name: str, classes: int, parameters: int, height: int, width: int, macs: float
) -> None:
    network = build(NetworkSpec(name, classes), seed=0).to("meta")
    assert count_parameters(network) == parameters
    assert multiply_accumulates(network, height, width) == pytest.approx(macs, abs=0.0005e9)
