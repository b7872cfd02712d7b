"""What an evaluation is given: features with identities and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.retrieval.arithmetic.parallel import each, parts
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.memory.mapped import is_mapped, stretches

PARTS = ("query", "gallery", "multi")  # how files call the queries, the gallery and the boxes
_STEP_BYTES = 1 << 21  # read again from the cache
_HALF_EXPONENT = 0x7C00
_LARGEST_LABEL = (1 << 63) - 1


@dataclass(frozen=True)
class FeatureSet:
    """N images as a network sees them.

    Attributes:
        features: N x D, float16 or float32, perhaps memory-mapped.
        pids: N identities, integers (-1 junk, 0 distractor).
        camids: N cameras, integers.
        names: N names of the images, or None.

    >>> side = FeatureSet(np.zeros((3, 5), np.float32), np.array([7, 8, 8]), np.array([1, 1, 2]))
    >>> len(side), side.labels.pids.tolist()
    (3, [7, 8, 8])
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
        notes: what whoever read them should be told, a line each.

    >>> one = FeatureSet(np.zeros((2, 5), np.float32), np.array([7, 8]), np.array([1, 1]))
    >>> [name for name, part in Features(one, one).parts()]
    ['query', 'gallery']
    """

    query: FeatureSet
    gallery: FeatureSet
    boxes: FeatureSet | None = None
    notes: tuple[str, ...] = ()

    def parts(self) -> list[tuple[str, FeatureSet]]:
        """Returns the sets that are there, by the names that files use."""
        sets = zip(PARTS, (self.query, self.gallery, self.boxes), strict=True)
        return [(name, part) for name, part in sets if part is not None]


def checked(
    features: Features, source: str = "features", *, mapped_values: bool = True
) -> Features:
    """Returns ``features``, having checked everything an evaluation needs.

    Labels become int64, except memory-mapped ones, which stay as they are.

    Args:
        features: what to check.
        source: what the messages call it, e.g. the file's path.
        mapped_values: read memory-mapped features too, to see that they are finite; False leaves
            that to whoever reads them (`check_finite`).

    Raises:
        UserError: an array has a wrong shape, type or length, is empty, or is not finite; or labels
            that int64 cannot hold.
    """
    sets = {
        name: _checked_set(f"{source}: {name}", part, mapped_values)
        for name, part in features.parts()
    }
    dims = {f"{name}_features": part.features.shape[1] for name, part in sets.items()}
    if len(set(dims.values())) > 1:
        told = ", ".join(f"{name} {dim}" for name, dim in dims.items())
        raise UserError(
            f"{source}: features differ in dimensions ({told})", "extract all with one network"
        )
    return Features(sets["query"], sets["gallery"], sets.get("multi"), features.notes)


def _checked_set(name: str, part: FeatureSet, mapped_values: bool) -> FeatureSet:
    features = _checked_features(f"{name}_features", part.features)
    if mapped_values or not is_mapped(features):
        check_finite(f"{name}_features", features)
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
    if x.dtype == np.float64 and not is_mapped(x):
        x = _narrowed(name, x)
    if x.dtype not in (np.float16, np.float32):
        hint = f"give float16 or float32{byte_order(x.dtype)}"
        raise UserError(f"{name} has type {x.dtype}", hint)
    return x


def _narrowed(name: str, x: NDArray[Any]) -> NDArray[Any]:
    """Returns float64 features as float32 where that changes nothing, a few rows at a time."""
    narrow = np.empty(x.shape, np.float32)
    for start, stop in parts(len(x), max(1, _STEP_BYTES // (x.itemsize * x.shape[1]))):
        with np.errstate(over="ignore"):
            narrow[start:stop] = x[start:stop]
        check_narrow(name, narrow[start:stop], x[start:stop])
    return narrow


def check_narrow(name: str, narrow: NDArray[np.float32], wide: NDArray[Any]) -> None:
    """Checks that float64 values are what they became as float32.

    Raises:
        UserError: some are not.
    """
    if not np.array_equal(narrow, wide, equal_nan=True):
        raise UserError(
            f"{name} has type float64, with values that float32 cannot hold",
            "round it with .astype(numpy.float32) before saving",
        )


def byte_order(dtype: np.dtype[Any]) -> str:
    """Returns what a hint says of numbers in another machine's byte order; else nothing.

    >>> byte_order(np.dtype(">f4")), byte_order(np.dtype("int64"))
    (" in this machine's byte order: array.astype('float32')", '')
    """
    return "" if dtype.isnative else f" in this machine's byte order: array.astype({dtype.name!r})"


def check_finite(name: str, x: NDArray[Any], hint: str = "extract those images again") -> None:
    """Checks that N x D features are finite, in flat memory where they are memory-mapped.

    Args:
        name: what messages call them.
        x: the features.
        hint: what to do where some are not.

    Raises:
        UserError: some are not.
    """
    bad: list[int] = []
    for start, stop in stretches(x):
        bad += [start + row for row in rows_not_finite(x[start:stop])]
    if bad:
        raise UserError(
            f"{name} holds NaN or infinity in {len(bad)} of {len(x)} rows, first in row {bad[0]}",
            hint,
        )


def rows_not_finite(x: NDArray[Any]) -> list[int]:
    """Returns the rows of N x D features that hold NaN or infinity."""

    def not_finite(part: tuple[int, int]) -> list[int]:
        block = x[slice(*part)]
        if _all_finite(block):
            return []
        return (part[0] + np.flatnonzero(~np.isfinite(block).all(axis=1))).tolist()

    steps = parts(len(x), max(1, _STEP_BYTES // (x.itemsize * x.shape[1])))
    return [row for rows in each(not_finite, steps) for row in rows]


def _all_finite(block: NDArray[Any]) -> bool:
    if block.dtype == np.float16:
        # All exponent bits set; float16 arithmetic, even comparison, is slow.
        exponents = block.view(np.uint16) & np.uint16(_HALF_EXPONENT)
        return int(exponents.max()) != _HALF_EXPONENT
    return bool(np.isfinite(block.max()) and np.isfinite(block.min()))  # both pass NaN on


def _checked_labels(name: str, labels: NDArray[Any], rows: int) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu":
        raise UserError(f"{name} has type {_told(labels)}", "give integers")
    if labels.ndim != 1:
        raise UserError(f"{name} has shape {labels.shape}", "give it one axis: a value per image")
    if len(labels) != rows:
        raise UserError(
            f"{name} has {len(labels)} entries for {rows} rows of features",
            "give one value per row",
        )
    if labels.dtype == np.uint64:
        for start, stop in stretches(labels):
            if labels[start:stop].max(initial=0) > _LARGEST_LABEL:
                raise UserError(
                    f"{name} holds numbers above {_LARGEST_LABEL}, int64's largest",
                    "number identities and cameras from 0; -1 (junk) needs a signed type: int64",
                )
    return labels if is_mapped(labels) else labels.astype(np.int64, copy=False)


def _told(labels: NDArray[Any]) -> str:
    """Names a type of no use as a label; for text and objects their kind is enough."""
    kinds = {"U": "text", "S": "text", "O": "Python objects", "b": "bool"}
    return kinds.get(labels.dtype.kind, str(labels.dtype))


def whole_numbers(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """Returns labels that are floating-point numbers, as MATLAB's are, as integers.

    Args:
        name: what messages call them.
        values: of any shape.

    Raises:
        UserError: some are not finite, not whole, or so large that their type, which has fewer
            digits, may have rounded one person's number to another's.
    """
    exact = 1 << (np.finfo(values.dtype).nmant + 1)
    if not np.isfinite(values).all():
        raise UserError(f"{name} holds NaN or infinity", "give whole numbers")
    if (np.floor(values) != values).any():
        raise UserError(f"{name} has type {values.dtype}, and not whole numbers", "give integers")
    if (values >= exact).any() or (values <= -exact).any():
        raise UserError(
            f"{name} holds numbers of {exact} and above, which {values.dtype} does not tell apart",
            "save integers, e.g. int64(...) in MATLAB",
        )
    return values.astype(np.int64)
