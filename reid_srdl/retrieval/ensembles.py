"""Ensembles of networks that make features: the members' features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reid_srdl.retrieval.arithmetic.exact import normalized
from reid_srdl.retrieval.features import Features, FeatureSet


def joined_features(members: Sequence[Features]) -> Features:
    """Returns the features of an ensemble: those of its members, L2-normalised, side by side.

    So each member has the same say whatever the length of its features, and the squared distance
    of two images is the sum of the members': |x - y|^2 = sum_m (2 - 2 cos_m(x, y)).

    Args:
        members: of the same images, N x D_m each; labels and names are the first one's.

    Returns:
        N x (D_1 + D_2 + ...), float32.
    """
    parts = [dict(member.parts()).values() for member in members]
    query, gallery, *boxes = (_side_by_side(same) for same in zip(*parts, strict=True))
    return Features(query, gallery, boxes[0] if boxes else None)


def _side_by_side(same: Sequence[FeatureSet]) -> FeatureSet:
    whole = np.concatenate([normalized(part.features) for part in same], axis=1)
    return replace(same[0], features=whole)
