"""Terms that compare the features of a batch with each other, or with centres. Shapes are fixed.

A pair counts where both labels are known. Features come as the network gives them and are compared
in float32 or better.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.data.batches import Batch
from reid_srdl.models.empty_pass import empty_pass
from reid_srdl.models.network import Network
from reid_srdl.training.terms import weighted_mean

_SIZE = (224, 224)  # of an image, where a network takes any


def batch_hard(features: Tensor, batch: Batch, margin: float | None) -> Tensor:
    """max_p |x_a - x_p| - min_n |x_a - x_n| + margin, hinged (Hermans et al. 2017, Eq 5).

    NOTE: the hardest pairs are found by |x|^2 + |y|^2 - 2 x y, whose rounding may take one for
    another as hard; the distances themselves are those of the two vectors, so that near ones do
    not drown in it.

    Args:
        features: B x D.
        batch: whose labels they have.
        margin: of the hinge; None: softplus instead, the soft margin.

    Returns:
        The mean over all anchors a that have both a positive p and a negative n; 0 without any.
    """
    x = whole(features)
    positive, negative = pairs(batch)
    squared = squared_distances(x.detach())
    farthest = squared.masked_fill(~positive, -math.inf).argmax(dim=1)
    nearest = squared.masked_fill(~negative, math.inf).argmin(dim=1)
    d_ap = torch.linalg.vector_norm(x - x[farthest], dim=1)
    d_an = torch.linalg.vector_norm(x - x[nearest], dim=1)
    violation = d_ap - d_an
    each = F.softplus(violation) if margin is None else F.relu(violation + margin)
    complete = positive.any(dim=1) & negative.any(dim=1)
    return weighted_mean(each, batch.weight * complete)


def circle(features: Tensor, batch: Batch, margin: float, gamma: float) -> Tensor:
    """log(1 + sum_n e^(gamma a_n (s_n - m)) sum_p e^(-gamma a_p (s_p - 1 + m))) (Sun et al. 2020).

    It is Eq 6 for each image as the anchor, with O_p = 1 + m, O_n = -m and the margins 1 - m and m:
    s are cosines, a_p = [1 + m - s_p]+ and a_n = [s_n + m]+, without gradient.

    Args:
        features: B x D.
        batch: whose labels they have.
        margin, gamma: m and the scale.

    Returns:
        The mean over all images; one that has no positive or no negative counts as 0.
    """
    m, x = margin, F.normalize(whole(features), dim=1)
    s = x @ x.T
    positive, negative = pairs(batch)
    a_p, a_n = F.relu(1 + m - s.detach()), F.relu(s.detach() + m)
    pull = _log_sum(-gamma * a_p * (s - (1 - m)), positive)
    push = _log_sum(gamma * a_n * (s - m), negative)
    complete = positive.any(dim=1) & negative.any(dim=1)
    return weighted_mean(F.softplus(pull + push) * complete, batch.weight)


def centre(features: Tensor, batch: Batch, centres: nn.Module, weight: float) -> Tensor:
    """weight * mean |x - c_y|^2 (Wen et al. 2016; reid-strong-baseline's form, without the half).

    The features' gradient has the weight, the centres' has not: how fast they follow is a matter
    of their own rate.

    Args:
        features: B x D.
        batch: whose labels they have.
        centres: gives the B x D centres of labels.
        weight: of the term.
    """
    x, c = whole(features), centres(batch.labels)
    pulled = weighted_mean((x - c.detach()).square().sum(dim=1), batch.weight)
    following = weighted_mean((x.detach() - c).square().sum(dim=1), batch.weight)
    return weight * pulled + (following - following.detach())


def new_centres(network: Network) -> nn.Embedding:
    """Returns C centres as long as the pooled features, drawn from N(0, 1)."""
    size = network.input_size or _SIZE
    length = empty_pass(network, size, network.channels).pooled.shape[1]
    return nn.Embedding(network.classes, length)


def pairs(batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns two B x B masks: other images of one's own label, and images of other labels."""
    known = batch.weight > 0
    both = known[:, None] & known[None, :]
    same = batch.labels[:, None] == batch.labels[None, :]
    itself = torch.eye(len(known), dtype=torch.bool, device=known.device)
    return both & same & ~itself, both & ~same


def whole(features: Tensor) -> Tensor:
    """Returns features or maps in float32 or better: squares of halves overflow."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def squared_distances(x: Tensor) -> Tensor:
    """Returns |x_i - x_j|^2, B x B, of B x D features; rounding may leave it below 0."""
    x = x - x.mean(dim=0)  # what all have in common would only round
    squares = x.square().sum(dim=1)
    return squares[:, None] + squares[None, :] - 2 * (x @ x.T)


def _log_sum(values: Tensor, kept: Tensor) -> Tensor:
    """Returns log sum e^v over the kept values of each row; 0 in a row without any."""
    lowest = torch.finfo(values.dtype).min
    summed = values.masked_fill(~kept, lowest).logsumexp(dim=1)
    return summed.masked_fill(~kept.any(dim=1), 0)
