"""Entropy of predictions and agreement, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from reid_srdl.analysis.predictions import agreement, decisions, entropies


def test_entropies() -> None:
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    expected = stats.entropy(logits.double().softmax(dim=1).numpy(), axis=1)
    assert entropies(logits).tolist() == pytest.approx(list(expected))
    sure = torch.tensor([[1000.0, 0.0], [0.0, 0.0]])
    assert entropies(sure).tolist() == pytest.approx([0.0, math.log(2)])


def test_agreement_as_counted_by_hand() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1])
    a = torch.tensor([0, 1, 1, 2, 0])  # wrong: the last three
    b = torch.tensor([0, 2, 1, 2, 1])  # wrong: the second to the fourth
    same, errors = agreement([a, b], labels)
    assert same == [[1.0, 3 / 5], [3 / 5, 1.0]]  # images 0, 2, 3
    assert errors == [[1.0, 2 / 4], [2 / 4, 1.0]]  # of images 1 to 4, two are wrong alike
    assert agreement([labels, labels], labels)[1] == [[1.0, 1.0], [1.0, 1.0]]
    assert decisions(torch.tensor([[1.0, 1.0], [0.0, 2.0]])).tolist() == [0, 1]
