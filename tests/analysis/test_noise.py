"""Weight noise against a plain computation."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reid_srdl.analysis.noise import noise, noisy
from reid_srdl.jobs.analyse.noise import loss_and_accuracy
from reid_srdl.jobs.analyse.place import finite
from reid_srdl.models.answering import Output

SIGMAS = (0.0, 0.1, 0.5)


@pytest.mark.parametrize("relative", [False, True])
def test_each_point_is_that_of_a_network_made_by_hand(relative: bool) -> None:
    torch.manual_seed(0)
    network = nn.Linear(4, 3)
    x, y = torch.randn(20, 4), torch.arange(20) % 3
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    def measure(of: nn.Module = network) -> dict[str, tuple[float, float]]:
        with torch.no_grad():
            z = of(x)
        return {"test": (float(F.cross_entropy(z, y)), float((z.argmax(1) == y).float().mean()))}

    losses, accuracies = noisy(network, measure, SIGMAS, 3, seed=5, relative=relative)["test"]
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())
    assert np.shape(losses) == np.shape(accuracies) == (3, 3)
    for number in range(3):
        e = noise(network, 5, number)
        for place, sigma in enumerate(SIGMAS):
            other = copy.deepcopy(network)
            with torch.no_grad():
                for name, p in other.named_parameters():
                    unit = float((p**2).mean() ** 0.5) if relative else 1.0
                    p += sigma * unit * e[name]
            loss, accuracy = measure(other)["test"]
            assert losses[number][place] == pytest.approx(loss, rel=1e-5)
            assert accuracies[number][place] == accuracy
    assert len({row[0] for row in losses}) == 1
    assert len({row[2] for row in losses}) == 3


def test_answers_that_are_not_finite_are_not_right() -> None:
    logits = torch.tensor([[float("nan")] * 2, [float("inf"), 0.0], [3.0, 0.0], [0.0, 3.0]])
    labels = torch.zeros(4, dtype=torch.int64)

    class Answers(nn.Module):
        def forward(self, images: torch.Tensor) -> Output:
            return Output(images, images, images)

    network: Any = Answers()
    loss, accuracy = loss_and_accuracy(
        network, [(logits[:2], labels[:2]), (logits[2:], labels[2:])]
    )
    assert accuracy == 1 / 4
    assert finite(loss) is None


def test_noise_is_standard_normal_and_known_by_seed_number_and_name() -> None:
    network = nn.Linear(200, 100)
    e = noise(network, 0, 0)
    assert float(e["weight"].mean()) == pytest.approx(0, abs=0.02)
    assert float(e["weight"].std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(e["weight"], noise(nn.Linear(200, 100), 0, 0)["weight"])
    assert not torch.equal(e["weight"], noise(network, 0, 1)["weight"])
    assert not torch.equal(e["weight"], noise(network, 1, 0)["weight"])
