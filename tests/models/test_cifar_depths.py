"""ResNets for small images have the parameters that depth and width give, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network, save_network


def by_hand(depth: int, width: int = 16) -> int:
    blocks, inputs = (depth - 2) // 6, width
    total = 3 * width * 9 + 2 * width + 4 * width * 10 + 10
    for channels in (width, 2 * width, 4 * width):
        total += 9 * inputs * channels + (2 * blocks - 1) * 9 * channels**2
        total += 2 * blocks * 2 * channels
        inputs = channels
    return total


@pytest.mark.parametrize(("depth", "parameters"), [(8, 75_290), (20, 269_722), (56, 853_018)])
def test_parameters_by_hand(depth: int, parameters: int) -> None:
    assert by_hand(depth) == parameters
    network = build(NetworkSpec(f"resnet{depth}", 10), seed=0)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize("width", [1, 8, 16, 24])
def test_a_width_counts_in_parameters_key_and_file(width: int, tmp_path: Path) -> None:
    spec = NetworkSpec("resnet8", 10, width=width)
    network = build(spec, seed=0)
    assert sum(weight.numel() for weight in network.parameters()) == by_hand(8, width)
    assert network.feature_dim == 4 * width
    save_network(tmp_path / "w", network)
    assert load_network(tmp_path / "w").spec == spec
    assert spec.key != NetworkSpec("resnet8", 10).key
    if width == 16:  # the published width, said aloud, is the same network
        plain = build(NetworkSpec("resnet8", 10), seed=0).state_dict()
        assert all(torch.equal(value, plain[key]) for key, value in network.state_dict().items())


def test_a_width_of_a_network_that_has_none_is_refused() -> None:
    with pytest.raises(UserError, match="resnet18 comes in one width") as caught:
        NetworkSpec("resnet18", 10, width=8)
    assert "resnet8" in caught.value.hint
    with pytest.raises(UserError, match=r"model\.width"):
        experiment({"model": {"name": "resnet8", "width": 0}})
