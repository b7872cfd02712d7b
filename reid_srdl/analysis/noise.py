"""How flat an optimum is: loss and accuracy where Gaussian noise is added to the weights.

Zhang et al. 2019 (Be Your Own Teacher, section 5.1) and Zhang et al. 2018 (Deep Mutual Learning,
Fig 4b) judge optima so: theta + sigma e, e standard normal, in all parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from reid_srdl.analysis.width import Direction, moved
from reid_srdl.seeds import generator

Measured = Mapping[str, tuple[float, float]]  # of each split: cross-entropy in nats, accuracy


def noise(network: nn.Module, seed: int, number: int, *, relative: bool = False) -> Direction:
    """Draws e, a standard normal number for each parameter.

    The draw depends on the seed, the draw's number and the parameter's name, so that networks of
    one architecture, and all deviations of one network, get the same.

    Args:
        network: whose parameters' shapes are taken.
        seed, number: name the draw.
        relative: in units of the root mean square of each parameter tensor, because raw deviations
            mean little between networks whose weights differ in scale.
    """
    direction = {}
    for name, parameter in network.named_parameters():
        drawn = generator(seed, "noise", number, name).standard_normal(
            tuple(parameter.shape), dtype=np.float32
        )
        e = torch.from_numpy(np.asarray(drawn)).to(parameter)
        direction[name] = e * parameter.detach().square().mean().sqrt() if relative else e
    return direction


def noisy(
    network: nn.Module,
    measure: Callable[[], Measured],
    deviations: Sequence[float],
    draws: int,
    *,
    seed: int = 0,
    relative: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[list[list[float]], list[list[float]]]]:
    """Measures a network at theta + sigma e for several sigma and draws of e.

    Args:
        network: evaluated by ``measure``; as before at the end.
        measure: cross-entropy and accuracy of the network as it stands, by split.
        deviations: values of sigma; 0 is measured once.
        draws: how many e.
        seed, relative: see `noise`.
        progress: told (points done, points in all).

    Returns:
        For each split losses and accuracies, a row for each draw, a column for each deviation.
    """
    plain = measure() if 0 in deviations else None
    found: dict[str, tuple[list[list[float]], list[list[float]]]] = {}
    done, total = 0, draws * sum(sigma > 0 for sigma in deviations)
    for number in range(draws):
        e = noise(network, seed, number, relative=relative)
        points: list[Measured] = []
        for sigma in deviations:
            if sigma == 0:
                assert plain is not None
                points.append(plain)
                continue
            with moved(network, e, sigma):
                points.append(measure())
            done += 1
            if progress is not None:
                progress(done, total)
        for split in points[0]:
            losses, accuracies = found.setdefault(split, ([], []))
            losses.append([point[split][0] for point in points])
            accuracies.append([point[split][1] for point in points])
    return found
