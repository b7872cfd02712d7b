"""Averaged probabilities against hand-computed values and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, top_k_accuracy_score

from reid_srdl.analysis.accuracy import class_scores
from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.analysis.ensembles import mean_log_probabilities


def ensemble(members: list[torch.Tensor], labels: torch.Tensor) -> ClassScores:
    return class_scores(mean_log_probabilities(members), labels)


def test_hand_computed_mean() -> None:
    # softmax((ln 3, 0)) = (0.75, 0.25) and softmax((0, ln 4)) = (0.2, 0.8): mean (0.475, 0.525)
    members = [torch.tensor([[math.log(3), 0.0]]), torch.tensor([[0.0, math.log(4)]])]
    mean = mean_log_probabilities(members).exp()
    assert mean.tolist()[0] == pytest.approx([0.475, 0.525])
    assert ensemble(members, torch.tensor([0])).loss == pytest.approx(-math.log(0.475))
    assert ensemble(members, torch.tensor([0])).top1 == 0
    assert ensemble(members, torch.tensor([1])).top1 == 1


def test_scores_are_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    members = [torch.randn(200, 12, generator=generator) for _ in range(3)]
    labels = torch.randint(12, (200,), generator=generator)
    exps = [np.exp(member.double().numpy()) for member in members]
    mean = np.mean([exp / exp.sum(axis=1, keepdims=True) for exp in exps], axis=0)
    ours = ensemble(members, labels)
    classes = range(12)
    assert ours.top1 == pytest.approx(top_k_accuracy_score(labels, mean, k=1, labels=classes))
    assert ours.top5 == pytest.approx(top_k_accuracy_score(labels, mean, k=5, labels=classes))
    assert ours.loss == pytest.approx(log_loss(labels, mean, labels=classes), rel=1e-6)


def test_probabilities_are_averaged_not_logits() -> None:
    """One member is very sure, three lean the other way: averaged logits would follow the one."""
    members = [torch.tensor([[30.0, 0.0]])] + [torch.tensor([[0.0, 5.0]])] * 3
    assert torch.stack(members).mean(0).argmax() == 0
    assert ensemble(members, torch.tensor([1])).top1 == 1


def test_nothing_underflows() -> None:
    members = [torch.tensor([[0.0, 2000.0]]), torch.tensor([[0.0, 3000.0]])]
    assert ensemble(members, torch.tensor([0])).loss == pytest.approx(2000 + math.log(2))


def test_a_member_with_itself_is_itself() -> None:
    member = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(20) % 8
    one, two = ensemble([member], labels), ensemble([member, member], labels)
    assert one.top1 == two.top1
    assert one.loss == pytest.approx(two.loss, rel=1e-12)
