"""The tensors of losses that compare maps and features of a student and a teacher."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.training.pair_terms import squared_distances


def of_one_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Returns B x c x h x w maps, each averaged down to the smaller height and width of both."""
    height = min(one.shape[2], other.shape[2])
    width = min(one.shape[3], other.shape[3])
    return _averaged(one, height, width), _averaged(other, height, width)


def attention(maps: Tensor) -> Tensor:
    """Returns Q = vec(A) / |vec(A)|, A = sum over channels of squares: B x (h w) of B x c x h x w.

    Zagoruyko and Komodakis 2017.

    >>> attention(torch.ones(1, 3, 2, 2)).tolist()
    [[0.5, 0.5, 0.5, 0.5]]
    """
    return F.normalize(maps.square().sum(dim=1).flatten(1))


def distances(features: Tensor) -> Tensor:
    """Returns the Euclidean distance of each two of B x D features, B x B, the diagonal 0.

    NOTE: squares below 1e-12 count as 1e-12, because a root has no gradient at 0.
    """
    return squared_distances(features).clamp(min=1e-12).sqrt() * _others(features)


def relative_distances(features: Tensor) -> Tensor:
    """Returns psi_D = |x_i - x_j| / mu, mu the mean over pairs of two samples.

    Park et al. 2019.
    """
    far = distances(features)
    count = len(features)
    mu = far.sum() / (count * (count - 1))
    return far / mu


def angles(features: Tensor) -> Tensor:
    """Returns psi_A = cos of the angle x_i x_j x_k at x_j, for all triples: B x B x B, by [j,i,k].

    Park et al. 2019; where two of the three are the same sample at x_j it is 0.
    """
    apart = features[None, :, :] - features[:, None, :]  # [j, i]: x_i - x_j
    e = F.normalize(apart, dim=2)
    return torch.bmm(e, e.transpose(1, 2))


def between_pairs(ours: Tensor, theirs: Tensor) -> Tensor:
    """Returns the mean Huber difference (delta 1) over the B (B - 1) pairs of two samples."""
    count = len(ours)
    each = F.smooth_l1_loss(ours, theirs, reduction="none") * _others(ours)
    return each.sum() / (count * (count - 1))


def decoupled(
    z_t: Tensor, z_s: Tensor, labels: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Returns TCKD and NCKD of each sample, B numbers each (Zhao et al. 2022).

    KL(p_T || q_T) = TCKD + (1 - p_T(y)) NCKD.

    Args:
        z_t, z_s: B x C logits of teacher and student.
        labels: B classes, y.
        temperature: T.
    """
    own = F.one_hot(labels, z_s.shape[1]).bool()
    (b_t, hat_t), (b_s, hat_s) = (_divided(z / temperature, own) for z in (z_t, z_s))
    tckd = (b_t.exp() * (b_t - b_s)).sum(dim=1)
    nckd = (hat_t.exp() * (hat_t - hat_s)).sum(dim=1)
    return tckd, nckd


def _divided(z: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Returns log (p_y, 1 - p_y), B x 2, and the log softmax of the other classes alone, B x C."""
    nothing = torch.finfo(z.dtype).min / 4  # a class of no probability; -inf would give NaN
    log_p = F.log_softmax(z, dim=1)
    others = log_p.masked_fill(own, nothing)
    b = torch.stack(((log_p * own).sum(dim=1), others.logsumexp(dim=1)), dim=1)
    return b, F.log_softmax(z.masked_fill(own, nothing), dim=1)


def _averaged(maps: Tensor, height: int, width: int) -> Tensor:
    if maps.shape[2:] == (height, width):
        return maps
    return F.adaptive_avg_pool2d(maps, (height, width))


def _others(features: Tensor) -> Tensor:
    """Returns B x B: 1 for two samples, 0 for one with itself."""
    count = len(features)
    return 1 - torch.eye(count, dtype=features.dtype, device=features.device)
