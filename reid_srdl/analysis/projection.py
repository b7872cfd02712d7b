"""Features in two dimensions: principal components and t-SNE, by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError

By = Literal["pca", "tsne"]
_FIRST = 50  # principal components that t-SNE works on (van der Maaten and Hinton 2008)


@dataclass(frozen=True)
class Projected:
    """N features in the plane.

    Attributes:
        points: N x 2.
        explained: of PCA, each component's share of the variance; empty of t-SNE.
    """

    points: NDArray[np.float64]
    explained: tuple[float, ...] = ()


def project(
    features: NDArray[np.float32], by: By, *, perplexity: float = 30.0, seed: int = 0
) -> Projected:
    """Projects N x D features to N x 2.

    Args:
        features: one row for each image.
        by: ``pca``: the two components of largest variance, each with the sign that makes its
            largest weight positive; ``tsne``: t-SNE (van der Maaten and Hinton 2008) on the first
            50 components, begun with the first two.
        perplexity: of t-SNE.
        seed: of t-SNE.

    Raises:
        UserError: fewer than three images, or no more than the perplexity.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(features) < 3:
        raise UserError(f"{len(features)} images cannot be projected", "take more images")
    most = min(len(features), features.shape[1])
    if by == "pca":
        fitted = PCA(n_components=min(2, most), svd_solver="full")
        points = fitted.fit_transform(features.astype(np.float64))
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))  # features of length 1
        shares = tuple(float(s) for s in np.nan_to_num(fitted.explained_variance_ratio_))
        return Projected(points, shares)
    if len(features) <= perplexity:
        raise UserError(
            f"a perplexity of {perplexity:g} wants more than {len(features)} images",
            f"lower it, e.g. --perplexity {max(1, len(features) // 4)}",
            usage=True,
        )
    if most > _FIRST:
        features = PCA(n_components=_FIRST, random_state=seed).fit_transform(features)
    method = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    return Projected(method.fit_transform(features).astype(np.float64))
