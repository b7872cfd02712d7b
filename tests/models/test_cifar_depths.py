"""ResNets for small images have the parameters that their depths give, counted by hand."""

import pytest

from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec


@pytest.mark.parametrize(("depth", "parameters"), [(20, 269_722), (56, 853_018)])
def test_parameters_by_hand(depth: int, parameters: int) -> None:
    blocks, inputs, total = (depth - 2) // 6, 16, 3 * 16 * 9 + 2 * 16 + 64 * 10 + 10
    for width in (16, 32, 64):
        total += 9 * inputs * width + (2 * blocks - 1) * 9 * width**2 + 2 * blocks * 2 * width
        inputs = width
    assert total == parameters
    network = build(NetworkSpec(f"resnet{depth}", 10), seed=0)
    assert sum(weight.numel() for weight in network.parameters()) == parameters
