"""Where networks look, on the page: queries, questions about them, and networks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.report.activation import overlaid
from reid_srdl.report.html.page import PictureRow, Section, View
from reid_srdl.report.html.pixels import data_uri

_INTRO = (
    "The queries of lowest average precision. Mean absolute activation of the last stage: where a "
    "network looks at all. Grad-CAM: what makes the query look like the picture on the left, its "
    "nearest match or the wrong person that it found first. A map goes from its own lowest value "
    "(blue) to its highest (red)."
)


@dataclass(frozen=True)
class Look:
    """What one network makes of one query under one question.

    Attributes:
        query: in words.
        question: in words: the activation, or likeness to what.
        run: the network's run.
        beside: H x W x 3 pixels of the image on the left.
        told: what stands below it.
        image: H x W x 3 pixels of the query, as the network saw it.
        seen: h x w, from 0 to 1.
    """

    query: str
    question: str
    run: str
    beside: NDArray[np.uint8]
    told: str
    image: NDArray[np.uint8]
    seen: NDArray[np.float32]


def looks_section(looks: Sequence[Look]) -> Section | None:
    """Returns the maps, queries and questions in the order that they first come in; None: none."""
    rows: dict[str, dict[str, list[Look]]] = {}
    for one in looks:
        rows.setdefault(one.query, {}).setdefault(one.question, []).append(one)
    views = [
        View(query, [_row(question, own) for question, own in questions.items()])
        for query, questions in rows.items()
    ]
    return Section("looks", "Where networks look", _INTRO, views=views) if views else None


def _row(question: str, looks: Sequence[Look]) -> PictureRow:
    seen = [(one.run, data_uri(overlaid(one.image, one.seen))) for one in looks]
    return PictureRow(question, ((looks[0].told, data_uri(looks[0].beside)), *seen))
