"""What the search for one image answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Found:
    """One gallery image of an answer.

    Attributes:
        rank: from 1, nearest first.
        name: the image's file name.
        pid, camid: identity and camera, None where the name does not tell them.
        distance: Euclidean, or 1 - cos under the cosine protocol.
        path: the image's file.
    """

    rank: int
    name: str
    pid: int | None
    camid: int | None
    distance: float
    path: str


@dataclass(frozen=True)
class Answer:
    """What a search found.

    Attributes:
        image: the query's file.
        gallery: the folder that was searched.
        images: how many images of it took part.
        junk: how many did not, because they are nobody's (pid -1).
        distance: ``euclidean`` or ``cosine``.
        normalize: whether features were L2-normalised.
        cached: whether the gallery's features were read back.
        results: the nearest k, equal distances in the gallery's order.
        threshold: the largest distance at which an image is shown; None: any.
        farther: how many of the nearest k are farther, and left out of ``results``.
        notes: what of the gallery's folder was left out, counted and named.
    """

    image: str
    gallery: str
    images: int
    junk: int
    distance: str
    normalize: bool
    cached: bool
    results: tuple[Found, ...]
    threshold: float | None = None
    farther: int = 0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns the answer as plain values."""
        return asdict(self)
