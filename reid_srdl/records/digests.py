"""Digests of test sets and features: the same content has the same digest, wherever it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.given import Distances
from reid_srdl.retrieval.memory.mapped import stretches

_WHOLE_BYTES = 5 << 30  # larger arrays are judged by some of their rows
_SAMPLED_ROWS = 4096
_PIECE_ROWS = 1 << 20


class Labelled(Protocol):
    """N images with identities and cameras."""

    @property
    def pids(self) -> NDArray[np.int64]: ...
    @property
    def camids(self) -> NDArray[np.int64]: ...


def labels_digest(parts: Iterable[Labelled | None]) -> str:
    """Returns a digest of who is in a test set: query, gallery and boxes, in this order.

    The order of images within a part does not matter: each image's identity and camera become one
    number by the finaliser of SplitMix64 (Steele et al., Fast Splittable Pseudorandom Number
    Generators, 2014), and these are added up modulo 2^64. Memory stays flat.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        total = np.zeros(1, np.uint64)
        count = 0 if part is None else len(part.pids)
        for start in range(0, count, _PIECE_ROWS):
            assert part is not None
            piece = slice(start, start + _PIECE_ROWS)
            pids, camids = (
                np.asarray(values[piece], np.int64).view(np.uint64)
                for values in (part.pids, part.camids)
            )
            total += _mixed(_mixed(pids) + camids).sum(dtype=np.uint64)
        digest.update(f"{count} {int(total[0])}\n".encode())
    return digest.hexdigest()


def features_digest(features: Features) -> str:
    """Returns a digest of features and labels; what the images are called does not matter.

    Arrays above 5 GiB enter by their shape and 4,096 rows, evenly spread: reading all would take as
    long as the evaluation.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, part in features.parts():
        for kind, array in (("x", part.features), ("pids", part.pids), ("camids", part.camids)):
            digest.update(f"{name} {kind} {array.shape} {array.dtype}\n".encode())
            _add(digest, array)
    return digest.hexdigest()


def distances_digest(given: Distances) -> str:
    """Returns a digest of a matrix of distances and its labels; large ones as in features."""
    digest = hashlib.blake2b(digest_size=16)
    query, gallery = given.images.query, given.images.gallery
    labels = (query.pids, query.camids, gallery.pids, gallery.camids)
    for array in (given.values, *labels):
        digest.update(f"{array.shape} {array.dtype}\n".encode())
        _add(digest, array)
    return digest.hexdigest()


def _add(digest: Any, array: NDArray[Any]) -> None:
    if array.nbytes > _WHOLE_BYTES:
        array = array[:: max(1, len(array) // _SAMPLED_ROWS)]
        digest.update(np.ascontiguousarray(array).data)
        return
    for start, stop in stretches(array):
        digest.update(np.ascontiguousarray(array[start:stop]).view(np.uint8).data)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """N 64-bit numbers, every bit of each spread over all of its result's."""
    x = (x + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
