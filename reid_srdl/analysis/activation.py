"""Where a network looks: activations of its last stage, and what of them raises a score."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_activation(a: Tensor) -> Tensor:
    """Returns the mean absolute activation over channels: B x h x w, of B x C x h x w maps."""
    return a.detach().abs().mean(dim=1)


def grad_cam(score: Tensor, a: Tensor) -> Tensor:
    """Returns Grad-CAM maps (Selvaraju et al., ICCV 2017, equations 1 and 2).

    alpha_k = 1/Z sum_ij dy / dA^k_ij,  L = ReLU(sum_k alpha_k A^k)

    Args:
        score: y, B scores, each of its own image.
        a: A, the B x C x h x w maps that they were computed from.

    Returns:
        B x h x w, not below 0.
    """
    (gradient,) = torch.autograd.grad(score.sum(), a)
    alpha = gradient.mean(dim=(2, 3), keepdim=True)
    return (alpha * a.detach()).sum(dim=1).relu()


def scaled(maps: Tensor) -> Tensor:
    """Returns B x h x w maps from 0 to 1, each by its own lowest and highest value."""
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)
