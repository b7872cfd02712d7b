"""Mean cross-entropy against scikit-learn."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import log_loss

from reid_srdl.analysis.entropy import mean_cross_entropy
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from tests.training import tiny


def batches(size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    images = tiny.training_set()
    parts = zip(images.images.in_order(size), images.labels.split(size), strict=True)
    return list(parts)


def test_equals_scikit_learn_whatever_the_batches() -> None:
    network = build(NetworkSpec("tiny", tiny.CLASSES), seed=0)
    network.train()
    found = {size: mean_cross_entropy(network, batches(size)) for size in (26, 10, 1)}
    assert not network.training
    images, labels = batches(26)[0]
    with torch.no_grad():
        probabilities = network(images).logits.double().softmax(1).numpy()
    expected = log_loss(labels.numpy(), probabilities)
    assert all(value == pytest.approx(expected, rel=1e-6) for value in found.values())


def test_a_sure_and_wrong_network_is_finite() -> None:
    network = build(NetworkSpec("tiny", tiny.CLASSES), seed=0)
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor([3e4, 0.0, 0.0]))
    wrong = (tiny.training_set().labels != 0).double().mean().item()
    assert mean_cross_entropy(network, batches(10)) == pytest.approx(3e4 * wrong)


def test_without_images_there_is_no_mean() -> None:
    with pytest.raises(ValueError, match="no images"):
        mean_cross_entropy(build(NetworkSpec("tiny", tiny.CLASSES), seed=0), [])


def test_equal_logits_are_uniform() -> None:
    network = build(NetworkSpec("tiny", tiny.CLASSES), seed=0)
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.zero_()
    assert mean_cross_entropy(network, batches(10)) == pytest.approx(math.log(3))
