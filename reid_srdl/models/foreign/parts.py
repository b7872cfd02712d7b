"""What the readers of several codes share."""

from __future__ import annotations

import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.models.changes import BNNeck, Change, Normalised, NormNeck
from reid_srdl.models.foreign.found import State
from reid_srdl.models.foreign.normalisations import IMAGENET

BICUBIC = "its code resizes images bicubically, here they are resized linearly"


def below(state: State, prefix: str) -> dict[str, Tensor]:
    """Returns the tensors whose keys begin so, by the rest of their keys."""
    found = ((key, value) for key, value in state.items() if key.startswith(prefix))
    return {key.removeprefix(prefix): value for key, value in found}


def has_ibn(trunk: State) -> bool:
    """Says whether a ResNet has IBN-a."""
    return "layer1.0.bn1.IN.weight" in trunk


def neck_of(norm: State, *, bias: bool = False) -> tuple[Change, dict[str, Tensor]]:
    """Returns the neck that a batch norm is, and its tensors by our keys.

    A shift that stayed at zero is none: that is BNNeck.

    Args:
        norm: the norm's tensors by their own names.
        bias: whether the classifier behind it has a bias.
    """
    tensors = {f"neck.{key}": value for key, value in norm.items()}
    shift = norm.get("bias")
    if bias or (shift is not None and bool(torch.any(shift != 0))):
        return NormNeck(bias), tensors
    tensors.pop("neck.bias", None)
    return BNNeck(), tensors


def normalised_by(mean: Tensor, std: Tensor) -> Change:
    """Returns how pixels of 0 to 255 are normalised, by the buffers that a file holds.

    Raises:
        UserError: these cannot be a mean and a deviation of three channels.
    """
    m, s = ((values.double().flatten() / 255).tolist() for values in (mean, std))
    if len(m) != 3 or len(s) != 3 or min(s) <= 0:
        raise UserError(
            "pixel_mean and pixel_std are no mean and deviation of three channels",
            "give the file as its code wrote it",
        )
    near = zip((*m, *s), (*IMAGENET.mean, *IMAGENET.std), strict=True)
    if all(abs(ours - theirs) < 1e-4 for ours, theirs in near):
        return IMAGENET
    return Normalised((m[0], m[1], m[2]), (s[0], s[1], s[2]))
