"""The tensors that losses are made of, as the papers write them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.data.batches import Batch

Terms = dict[str, Tensor]


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Returns sum(w l) / max(sum w, 1) of B values.

    >>> weighted_mean(torch.tensor([1.0, 3.0, 9.0]), torch.tensor([1.0, 1.0, 0.0])).item()
    2.0
    """
    return (weight * values).sum() / weight.sum().clamp(min=1)


def cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Returns the weighted mean of -log p(y|x), of B x C logits."""
    return weighted_mean(F.cross_entropy(logits, batch.labels, reduction="none"), batch.weight)


def smoothed_cross_entropy(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """Returns the weighted mean of -sum_j q_j log p_j, q = (1 - e) y + e / C, of B x C logits."""
    each = F.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=smoothing)
    return weighted_mean(each, batch.weight)


def standardised(logits: Tensor) -> Tensor:
    """Returns (z - mean z) / std z of each row of B x C logits (Sun et al. 2024).

    NOTE: 1e-7 is added to the deviation, squared under the root, so that equal logits give zeros
    and a gradient.

    >>> standardised(torch.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """
    variance, mean = torch.var_mean(logits, dim=1, correction=0, keepdim=True)
    return (logits - mean) / (variance + 1e-14).sqrt()


def softened(
    logits: Tensor | Sequence[Tensor], temperature: float, standardise: bool = False
) -> Tensor:
    """Returns softmax(z / T), B x C; of several tables the mean of their softmax."""
    if isinstance(logits, Tensor):
        z = standardised(logits) if standardise else logits
        return F.softmax(z / temperature, dim=1)
    each = [softened(z, temperature, standardise) for z in logits]
    return each[0] if len(each) == 1 else torch.stack(each).mean(dim=0)


def log_softened(
    logits: Tensor | Sequence[Tensor], temperature: float, standardise: bool = False
) -> Tensor:
    """Returns log softmax(z / T), B x C; of several tables the log of their mean softmax."""
    if isinstance(logits, Tensor):
        z = standardised(logits) if standardise else logits
        return F.log_softmax(z / temperature, dim=1)
    each = [log_softened(z, temperature, standardise) for z in logits]
    return each[0] if len(each) == 1 else torch.stack(each).logsumexp(dim=0) - math.log(len(each))


def soft_kl(
    z_star: Tensor | Sequence[Tensor], z: Tensor, temperature: float, standardise: bool = False
) -> Tensor:
    """R_kl = sum_j p~(j|x, theta*) log(p~(j|x, theta*) / p~(j|x, theta)) (SRDL paper, Eq 6).

    Args:
        z_star: B x C logits of the reference, theta*, or of several, whose softened predictions
            are averaged.
        z: B x C logits of the network in training, theta.
        temperature: T of the softened softmax, Eq 5.
        standardise: both logits are replaced by their z-scores first.

    Returns:
        The divergence in nats, averaged over the batch.

    >>> z_star, z = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[1.0, 2.0, 0.0]])
    >>> round(9 * soft_kl(z_star, z, 3.0).item(), 4)
    0.9007
    """
    log_p_star = log_softened(z_star, temperature, standardise)  # Eq 5 at theta*
    log_p = log_softened(z, temperature, standardise)  # Eq 5 at theta
    return (log_p_star.exp() * (log_p_star - log_p)).sum(dim=1).mean()


def soft_cross_entropy(
    z_star: Tensor | Sequence[Tensor], z: Tensor, temperature: float, standardise: bool = False
) -> Tensor:
    """CE(p_T, q_T) = -sum_j p_T(j) log q_T(j), averaged over the batch; shapes as ``soft_kl``."""
    p_star = softened(z_star, temperature, standardise)
    log_p = log_softened(z, temperature, standardise)
    return -(p_star * log_p).sum(dim=1).mean()
