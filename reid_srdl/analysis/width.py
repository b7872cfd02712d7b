"""How wide an optimum is: the loss along random directions (SRDL paper, section 4.5, Fig 4)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reid_srdl.seeds import generator

Direction = dict[str, Tensor]  # by parameter name, each of its parameter's shape


@dataclass(frozen=True)
class Curves:
    """Loss along several directions.

    Attributes:
        distances: S values of d, the first 0.
        losses: K x S for each set of images, float64; column 0 is the same in every row.
    """

    distances: tuple[float, ...]
    losses: Mapping[str, NDArray[np.float64]]

    def mean(self, name: str) -> NDArray[np.float64]:
        """Returns the mean over directions, S values."""
        mean: NDArray[np.float64] = self.losses[name].mean(axis=0)
        return mean

    def deviation(self, name: str) -> NDArray[np.float64]:
        """Returns the standard deviation over directions, S values; 0 for a single one."""
        losses = self.losses[name]
        if len(losses) == 1:
            return np.zeros(losses.shape[1])
        deviation: NDArray[np.float64] = losses.std(axis=0, ddof=1)
        return deviation


def unit_direction(network: nn.Module, seed: int, number: int) -> Direction:
    """Draws v, uniform on the unit sphere over all parameters, weights and biases together.

    A parameter's draw depends on the seed, the direction's number and the parameter's name: two
    networks of one architecture are compared along the same directions.
    """
    drawn = _normal(network, seed, number)
    norm = sum(float(part.double().square().sum()) for part in drawn.values()) ** 0.5
    return {name: part / norm for name, part in drawn.items()}


def filter_direction(network: nn.Module, seed: int, number: int) -> Direction:
    """Draws v with each filter scaled to the norm of the network's own filter.

    Li et al. 2018 (Visualizing the Loss Landscape of Neural Nets, section 4): a network whose
    layers are followed by batch normalisation computes the same with scaled weights, so distances
    in raw norms say little between networks. d = 1 moves each filter by its own length. Biases and
    the parameters of normalisation stay as they are, as in the authors' code.
    """
    direction = _normal(network, seed, number)
    for name, parameter in network.named_parameters():
        part = direction[name]
        if parameter.ndim < 2:
            direction[name] = torch.zeros_like(part)
            continue
        shape = (-1, *[1] * (parameter.ndim - 1))
        wanted = parameter.detach().flatten(1).norm(dim=1)
        drawn = part.flatten(1).norm(dim=1)
        direction[name] = part * (wanted / drawn).reshape(shape)
    return direction


def _normal(network: nn.Module, seed: int, number: int) -> Direction:
    direction = {}
    for name, parameter in network.named_parameters():
        draw = generator(seed, "width", number, name)
        values = draw.standard_normal(tuple(parameter.shape), dtype=np.float32)
        direction[name] = torch.from_numpy(np.asarray(values)).to(parameter)
    return direction


@contextlib.contextmanager
def moved(network: nn.Module, direction: Direction, distance: float) -> Iterator[None]:
    """Moves a network to theta + d * v; afterwards its parameters are bit for bit as before.

    Buffers, the statistics of batch normalisation among them, are left as trained.
    """
    theta = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    try:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.add_(direction[name], alpha=distance)
        yield
    finally:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(theta[name])


def loss_curves(
    network: nn.Module,
    losses: Callable[[], Mapping[str, float]],
    distances: Sequence[float],
    directions: int,
    *,
    seed: int = 0,
    relative: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Curves:
    """Measures L(theta + d * v) for d in ``distances`` and several random v.

    Args:
        network: evaluated by ``losses`` at each point; as before at the end.
        losses: the losses of the network as it stands, by the name of the set of images.
        distances: values of d, the first 0, which is measured once.
        directions: K, how many v.
        seed: of the directions.
        relative: measure d in filter norms, `filter_direction`; else `unit_direction`.
        progress: told (points done, points in all).
    """
    if not distances or distances[0] != 0:
        raise ValueError("distances begin with 0")
    draw = filter_direction if relative else unit_direction
    total = 1 + directions * (len(distances) - 1)
    at_optimum = losses()
    found = {name: np.full((directions, len(distances)), loss) for name, loss in at_optimum.items()}
    for number in range(directions):
        direction = draw(network, seed, number)
        for step, distance in enumerate(distances[1:], 1):
            if progress is not None:
                progress(number * (len(distances) - 1) + step, total)
            with moved(network, direction, distance):
                for name, loss in losses().items():
                    found[name][number, step] = loss
    if progress is not None:
        progress(total, total)
    return Curves(tuple(distances), found)
