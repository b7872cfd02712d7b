"""What an evaluation is given: features with identities and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.retrieval.counting.parallel import each, parts
from reid_srdl.retrieval.protocol import Labels

PARTS = ("query", "gallery", "multi")  # how files call the queries, the gallery and the boxes
_STEP_BYTES = 1 << 21  # read again from the cache


@dataclass(frozen=True)
class FeatureSet:
    """N images as a network sees them.

    Attributes:
        features: N x D, float16 or float32.
        pids: N identities, integers (-1 junk, 0 distractor).
        camids: N cameras, integers.
        names: N names of the images, or None.
    """

    features: NDArray[Any]
    pids: NDArray[np.int64]
    camids: NDArray[np.int64]
    names: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def labels(self) -> Labels:
        """The identities and cameras."""
        return Labels(np.asarray(self.pids, np.int64), np.asarray(self.camids, np.int64))


@dataclass(frozen=True)
class Features:
    """A whole test set.

    Attributes:
        query: the queries.
        gallery: what they are searched in, with junk and distractors.
        boxes: hand-drawn boxes for multi-query (``gt_bbox``), or None.
    """

    query: FeatureSet
    gallery: FeatureSet
    boxes: FeatureSet | None = None

    def parts(self) -> list[tuple[str, FeatureSet]]:
        """Returns the sets that are there, by the names that files use."""
        sets = zip(PARTS, (self.query, self.gallery, self.boxes), strict=True)
        return [(name, part) for name, part in sets if part is not None]


def checked(features: Features, source: str = "features") -> Features:
    """Returns ``features`` with labels as int64, having checked everything an evaluation needs.

    Args:
        features: what to check.
        source: what the messages call it, e.g. the file's path.

    Raises:
        UserError: an array has a wrong shape, type or length, is empty, or is not finite.
    """
    sets = {name: _checked_set(f"{source}: {name}", part) for name, part in features.parts()}
    dims = {f"{name}_features": part.features.shape[1] for name, part in sets.items()}
    if len(set(dims.values())) > 1:
        told = ", ".join(f"{name} {dim}" for name, dim in dims.items())
        raise UserError(
            f"{source}: features differ in dimensions ({told})", "extract all with one network"
        )
    return Features(sets["query"], sets["gallery"], sets.get("multi"))


def _checked_set(name: str, part: FeatureSet) -> FeatureSet:
    features = _checked_features(f"{name}_features", part.features)
    labels = {}
    for key, values in (("pids", part.pids), ("camids", part.camids)):
        labels[key] = _checked_labels(f"{name}_{key}", np.asarray(values), len(features))
    if part.names is not None and len(part.names) != len(features):
        raise UserError(
            f"{name}_names has {len(part.names)} entries, {name}_features {len(features)} rows",
            "give one name per row",
        )
    return FeatureSet(features, labels["pids"], labels["camids"], part.names)


def _checked_features(name: str, x: NDArray[Any]) -> NDArray[Any]:
    if x.ndim != 2:
        raise UserError(f"{name} has shape {x.shape}", "give it two axes: images x dimensions")
    if 0 in x.shape:
        raise UserError(f"{name} is empty, shape {x.shape}", "give at least one image's features")
    if x.dtype == np.float64:
        x = _narrowed(name, x)
    if x.dtype not in (np.float16, np.float32):
        raise UserError(f"{name} has type {x.dtype}", "give float16 or float32")
    _check_finite(name, x)
    return x


def _narrowed(name: str, x: NDArray[Any]) -> NDArray[Any]:
    """Returns float64 features as float32 where that changes nothing."""
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    if np.array_equal(narrow, x, equal_nan=True):
        return narrow
    raise UserError(
        f"{name} has type float64, with values that float32 cannot hold",
        "round it with .astype(numpy.float32) before saving",
    )


def _check_finite(name: str, x: NDArray[Any]) -> None:
    def not_finite(part: tuple[int, int]) -> list[int]:
        block = x[slice(*part)]
        if np.isfinite(block.max()) and np.isfinite(block.min()):  # both pass NaN on
            return []
        return (part[0] + np.flatnonzero(~np.isfinite(block).all(axis=1))).tolist()

    steps = parts(len(x), max(1, _STEP_BYTES // (x.itemsize * x.shape[1])))
    bad = [row for rows in each(not_finite, steps) for row in rows]
    if bad:
        raise UserError(
            f"{name} holds NaN or infinity in {len(bad)} of {len(x)} rows, first in row {bad[0]}",
            "extract those images again",
        )


def _checked_labels(name: str, labels: NDArray[Any], rows: int) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu":
        raise UserError(f"{name} has type {labels.dtype}", "give integers")
    if labels.ndim != 1:
        raise UserError(f"{name} has shape {labels.shape}", "give it one axis: a value per image")
    if len(labels) != rows:
        raise UserError(
            f"{name} has {len(labels)} entries for {rows} rows of features",
            "give one value per row",
        )
    return labels.astype(np.int64, copy=False)
