"""Top-1, top-5 and cross-entropy against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, top_k_accuracy_score

from reid_srdl.analysis.accuracy import class_scores


def made(classes: int = 9, images: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(3)
    logits = torch.from_numpy(generator.normal(size=(images, classes)).astype(np.float32) * 3)
    return logits, torch.from_numpy(generator.integers(0, classes, images))


def test_equals_scikit_learn() -> None:
    logits, labels = made()
    scores = class_scores(logits, labels)
    everything = {"labels": np.arange(9)}
    for k, ours in ((1, scores.top1), (5, scores.top5)):
        theirs = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=k, **everything)
        assert ours == pytest.approx(theirs, abs=1e-12)
    probabilities = torch.softmax(logits.double(), dim=1).numpy()
    assert scores.loss == pytest.approx(log_loss(labels.numpy(), probabilities, **everything))
    assert scores.images == 200


def test_equal_logits_go_to_the_lower_class() -> None:
    scores = class_scores(torch.zeros(4, 8), torch.tensor([0, 3, 5, 7]))
    assert scores.top1 == 0.25
    assert scores.top5 == 0.5
    assert scores.loss == pytest.approx(np.log(8))


def test_five_classes_have_no_top5() -> None:
    assert class_scores(*made(classes=5)).top5 is None
