"""Ensembles of classifiers: their probabilities are averaged (SRDL paper, section 4.5, Table 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def mean_log_probabilities(logits: Sequence[Tensor]) -> Tensor:
    """Returns the log of the mean of the members' softmax, N x C float64.

    log (1/K sum_k p_k) = logsumexp_k(log p_k) - log K: no probability underflows, so the
    cross-entropy of the mean is finite. `accuracy.class_scores` takes it in place of logits.

    Args:
        logits: of K members for the same N images, each N x C.

    >>> mean_log_probabilities([torch.tensor([[0.0, 0.0]]), torch.tensor([[99.0, 0.0]])]).exp()
    tensor([[0.7500, 0.2500]], dtype=torch.float64)
    """
    log_p = torch.stack([member.double().log_softmax(dim=1) for member in logits])
    return log_p.logsumexp(dim=0) - math.log(len(logits))
