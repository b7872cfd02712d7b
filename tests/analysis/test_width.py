"""The width of an optimum whose loss is known in closed form."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from reid_srdl.analysis.width import (
    filter_direction,
    loss_curves,
    moved,
    unit_direction,
)

SIZE = 40
DISTANCES = (0.0, 0.5, 1.0, 2.5, 5.0)


class Quadratic(nn.Module):
    """L(theta) = 1/2 (theta - c)^T A (theta - c), split over a weight and a bias."""

    def __init__(self, curvature: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(3)
        root = torch.randn(SIZE, SIZE, generator=draws, dtype=torch.float64)
        self.hessian = curvature * root @ root.T / SIZE
        self.centre = torch.randn(SIZE, generator=draws, dtype=torch.float64)
        theta = self.centre + offset
        self.weight = nn.Parameter(theta[: SIZE - 4].reshape(6, 6).clone())
        self.bias = nn.Parameter(theta[SIZE - 4 :].clone())

    def theta(self) -> torch.Tensor:
        return torch.cat([self.weight.flatten(), self.bias]).detach()

    def losses(self) -> Mapping[str, float]:
        step = self.theta() - self.centre
        value = (0.5 * step @ self.hessian @ step).item()
        return {"train": value, "test": 2 * value}


def flat(direction: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([direction["weight"].flatten(), direction["bias"]])


@pytest.mark.parametrize("offset", [0.0, 0.7])
@pytest.mark.parametrize("relative", [False, True])
def test_the_quadratic_along_each_direction(offset: float, relative: bool) -> None:
    """L(theta + d v) = L(theta) + d v^T A (theta - c) + d^2/2 v^T A v."""
    network = Quadratic(offset=offset)
    curves = loss_curves(network, network.losses, DISTANCES, 3, seed=5, relative=relative)
    draw = filter_direction if relative else unit_direction
    gradient = network.hessian @ (network.theta() - network.centre)
    start = network.losses()["train"]
    for number in range(3):
        v = flat(draw(network, 5, number))
        expected = [
            (start + d * v @ gradient + d**2 / 2 * v @ network.hessian @ v).item()
            for d in DISTANCES
        ]
        assert curves.losses["train"][number] == pytest.approx(expected, rel=1e-9)
        assert curves.losses["test"][number] == pytest.approx(2 * np.array(expected), rel=1e-9)


def test_the_mean_over_directions_is_the_trace_in_expectation() -> None:
    """E L(theta* + d v) = d^2 tr(A) / (2 P) for v uniform on the unit sphere in P dimensions."""
    network = Quadratic()
    curves = loss_curves(network, network.losses, (0.0, 2.0), 400)
    expected = 4 * torch.trace(network.hessian).item() / (2 * SIZE)
    error = curves.deviation("train")[1] / 20
    assert curves.mean("train")[1] == pytest.approx(expected, abs=4 * error)
    assert error < 0.05 * expected


def test_a_wider_optimum_has_lower_curves() -> None:
    sharp, wide = Quadratic(4.0), Quadratic(1.0)
    losses = [loss_curves(n, n.losses, DISTANCES, 2).mean("train") for n in (sharp, wide)]
    assert losses[0] == pytest.approx(4 * losses[1])


def test_unit_directions_are_units_and_alike_for_like_networks() -> None:
    v = unit_direction(Quadratic(), 0, 0)
    assert flat(v).norm().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(flat(v), flat(unit_direction(Quadratic(offset=3.0), 0, 0)))
    assert not torch.equal(flat(v), flat(unit_direction(Quadratic(), 0, 1)))
    assert not torch.equal(flat(v), flat(unit_direction(Quadratic(), 1, 0)))


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )


def test_each_filter_of_a_relative_direction_is_as_long_as_the_networks() -> None:
    network = small()
    v = filter_direction(network, 0, 0)
    for name in ("0.weight", "4.weight"):
        theirs = network.get_parameter(name).detach()
        for ours, filter_ in zip(v[name], theirs, strict=True):
            assert ours.norm().item() == pytest.approx(filter_.norm().item(), rel=1e-5)
    for name in ("0.bias", "1.weight", "1.bias", "4.bias"):
        assert not v[name].any()


def test_a_filter_of_zeros_stays_where_it_is() -> None:
    network = small()
    with torch.no_grad():
        network[0].weight[1].zero_()
    assert not filter_direction(network, 0, 0)["0.weight"][1].any()


def test_weights_come_back_bit_for_bit_and_statistics_are_left() -> None:
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    v = unit_direction(network, 0, 0)
    with moved(network, v, 3.3):
        there = network.state_dict()
        assert torch.allclose(there["0.weight"], before["0.weight"] + 3.3 * v["0.weight"])
        assert not torch.equal(there["1.bias"], before["1.bias"])
        assert torch.equal(there["1.running_mean"], before["1.running_mean"])
        assert torch.equal(there["1.running_var"], before["1.running_var"])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with pytest.raises(RuntimeError, match="stop"), moved(network, v, 1.0):
        raise RuntimeError("stop")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_scaled_filters_are_the_same_optimum_in_relative_distance() -> None:
    """Batch norm undoes the scale of the filters before it: raw distances see it, relative not."""

    def curves(scale: float, relative: bool) -> np.ndarray:
        norm = nn.BatchNorm2d(4, affine=False, eps=0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), norm)
        images = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(2))
            network[0].weight.copy_(weight * scale)
        with torch.no_grad():
            norm.running_var.copy_(network[0](images).var(dim=(0, 2, 3)))
        network.eval()
        with torch.no_grad():
            target = network(images)

        def losses() -> dict[str, float]:
            with torch.no_grad():
                return {"train": (network(images) - target).square().mean().item()}

        return loss_curves(network, losses, (0.0, 0.5), 2, relative=relative).losses["train"]

    assert curves(1.0, True) == pytest.approx(curves(10.0, True), rel=1e-3)
    assert curves(10.0, False)[0, 1] < 0.1 * curves(1.0, False)[0, 1]


def test_progress_and_the_number_of_evaluations() -> None:
    network, told, calls = Quadratic(), [], []

    def losses() -> Mapping[str, float]:
        calls.append(1)
        return network.losses()

    loss_curves(network, losses, DISTANCES, 2, progress=lambda d, n: told.append((d, n)))
    assert len(calls) == 1 + 2 * 4
    assert told[-1] == (9, 9)
    assert [done for done, _ in told] == list(range(1, 10))


def test_distances_begin_at_the_optimum() -> None:
    network = Quadratic()
    with pytest.raises(ValueError, match="begin with 0"):
        loss_curves(network, network.losses, (1.0,), 1)
