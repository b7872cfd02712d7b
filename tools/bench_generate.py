"""Generated test sets for the benchmarks: clusters of a chosen difficulty, at real sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.evaluation import evaluate
from reid_srdl.retrieval.features import Features, FeatureSet

Int64s = NDArray[np.int64]
Pieces = Iterator[tuple[int, NDArray[np.float32]]]

_INTRINSIC = 64  # dimensions that identities and their variation span; the rest is faint noise
_FAINT, _UNEVEN = 0.02, 0.2
_FAR = 30.0  # length of the mean of collapsed features
_TINT, _NOISE = 0.6, 2.6  # of isotropic features
_STEP = 8192
_TRIED_QUERIES, _TRIED_GALLERY, _TRIES = 100, 20000, 9


@dataclass(frozen=True)
class Size:
    """A test set's size.

    Attributes:
        queries, gallery: numbers of images.
        identities: how many the queries have; `matched` gallery images are theirs, the rest are
            distractors (pid 0).
        cameras: how many; an identity is seen by all of them in turn.
    """

    queries: int
    gallery: int
    identities: int
    matched: int
    cameras: int


SIZES = {
    "tiny": Size(100, 2_000, 25, 400, 6),
    "market1501": Size(3_368, 19_732, 750, 13_115, 6),
    "msmt17": Size(11_659, 82_161, 3_060, 82_161, 15),
    "market+500k": Size(3_368, 519_732, 750, 13_115, 6),
}


def generate(size: Size, dim: int, mean_ap: float, seed: int = 0) -> Features:
    """Returns Q x D and N x D float32 features whose mAP is near ``mean_ap`` (a fraction).

    Identities are normal points of a low-dimensional space; images scatter around them, each by
    a spread of its own, so that some matches are hard. The scatter is found by bisection on a part
    of the set.
    """
    return _drawn(size, dim, scatter_for(size, mean_ap, seed), seed)


def scatter_for(size: Size, mean_ap: float, seed: int) -> float:
    """Returns the scatter that gives a set of this size an mAP near ``mean_ap``."""
    low, high = 0.05, 5.0
    part = Size(
        min(size.queries, _TRIED_QUERIES),
        min(size.gallery, _TRIED_GALLERY),
        size.identities,
        min(size.matched, _TRIED_GALLERY, size.gallery),
        size.cameras,
    )
    rarer = np.log(size.gallery / part.gallery)  # a larger gallery has more negatives ahead
    for _ in range(_TRIES):
        middle = (low * high) ** 0.5
        tried = _drawn(part, _INTRINSIC, middle, seed)
        found = evaluate(tried).evaluation.single_query.mAP
        low, high = (middle, high) if found > mean_ap + 0.03 * rarer else (low, middle)
    return (low * high) ** 0.5


def generate_collapsed(size: Size, dim: int, seed: int = 0) -> Features:
    """Returns features as of a network that has hardly learned: nearly one point, rounded to bf16.

    All lie at 0.3 around a mean of length 30, a hundredth of that is the identity's; mAP is below
    1 %, and all distances nearly tie.
    """
    rng = np.random.default_rng(seed)
    mean = rng.random(dim, dtype=np.float32)
    mean *= np.float32(_FAR / np.linalg.norm(mean))
    spread = np.float32(_FAR / 100 / dim**0.5)
    centres = rng.standard_normal((size.identities + 1, dim), dtype=np.float32) * spread / 10

    def draw(pids: Int64s) -> NDArray[np.float32]:
        x = rng.standard_normal((len(pids), dim), dtype=np.float32)
        for start in range(0, len(pids), _STEP):
            part = slice(start, start + _STEP)
            x[part] *= spread
            x[part] += centres[pids[part]]
            x[part] += mean
            _round_to_bf16(x[part])
        return x

    sets = {
        name: FeatureSet(draw(pids), pids, cameras) for name, pids, cameras in _labels(size, rng)
    }
    return Features(sets["query"], sets["gallery"])


def generate_isotropic(size: Size, dim: int, seed: int = 0) -> Features:
    """Returns features whose noise has no direction: nothing for leading directions to find.

    An image is its identity's centre + 0.6 x its camera's tint + 2.6 x noise, all standard normal;
    each distractor is an identity of its own.
    With 2048 dimensions and Market-1501's size, mAP is about 68 %.
    """
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((size.identities + 1, dim), dtype=np.float32)
    tints = rng.standard_normal((size.cameras + 1, dim), dtype=np.float32) * np.float32(_TINT)

    def draw(pids: Int64s, cameras: Int64s) -> NDArray[np.float32]:
        x = rng.standard_normal((len(pids), dim), dtype=np.float32)
        for start in range(0, len(pids), _STEP):
            part = slice(start, start + _STEP)
            x[part] *= np.float32(_NOISE)
            x[part] += tints[cameras[part]]
            own = centres[pids[part]]
            nobody = np.flatnonzero(pids[part] <= 0)  # distractors and junk: each somebody else
            own[nobody] = rng.standard_normal((len(nobody), dim), dtype=np.float32)
            x[part] += own
        return x

    sets = {
        name: FeatureSet(draw(pids, cameras), pids, cameras)
        for name, pids, cameras in _labels(size, rng)
    }
    return Features(sets["query"], sets["gallery"])


def _round_to_bf16(x: NDArray[np.float32]) -> None:
    bits = x.view(np.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)  # to nearest, ties to even
    bits &= 0xFFFF0000


def _drawn(size: Size, dim: int, scatter: float, seed: int) -> Features:
    sets = {}
    for name, pids, cameras, pieces in parts(size, dim, scatter, seed):
        x = np.empty((len(pids), dim), np.float32)
        for start, rows in pieces:
            x[start : start + len(rows)] = rows
        sets[name] = FeatureSet(x, pids, cameras)
    return Features(sets["query"], sets["gallery"])


def parts(
    size: Size, dim: int, scatter: float, seed: int
) -> Iterator[tuple[str, Int64s, Int64s, Pieces]]:
    """Yields (name, pids, cameras, pieces) of query and gallery, to be used up in this order.

    Pieces are (first row, some rows of features), so that no set needs to be in memory.
    """
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((dim, min(dim, _INTRINSIC))))[0].T.astype(np.float32)
    width = len(basis)
    centres = rng.standard_normal((size.identities, width), dtype=np.float32)
    mean = rng.random(dim, dtype=np.float32)  # features are rarely centred

    def draw(pids: Int64s) -> Pieces:
        for start in range(0, len(pids), _STEP):
            of = pids[start : start + _STEP]
            point = rng.standard_normal((len(of), width), dtype=np.float32)
            point *= np.where(of > 0, scatter, 1)[:, None].astype(np.float32)
            point *= np.exp(_UNEVEN * rng.standard_normal((len(of), 1), dtype=np.float32))
            point[of > 0] += centres[of[of > 0] - 1]
            out = rng.standard_normal((len(of), dim), dtype=np.float32)
            out *= np.float32(_FAINT)
            out += point @ basis
            out += mean
            yield start, out

    for name, pids, cameras in _labels(size, rng):
        yield name, pids, cameras, draw(pids)


def _labels(size: Size, rng: np.random.Generator) -> Iterator[tuple[str, Int64s, Int64s]]:
    """Yields (name, pids, cameras) of query and gallery, the latter in a random order."""
    number = np.arange(size.queries)
    yield "query", number % size.identities + 1, number // size.identities % size.cameras + 1
    number = np.arange(size.gallery)
    pids = np.where(number < size.matched, number % size.identities + 1, 0)
    cameras = (number // size.identities + 1) % size.cameras + 1
    order = rng.permutation(size.gallery)
    yield "gallery", pids[order], cameras[order]
