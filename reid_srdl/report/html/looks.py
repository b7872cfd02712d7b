"""Where networks look, on the page: an image in each row, a network in each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.report.activation import overlaid
from reid_srdl.report.html.page import Section, View
from reid_srdl.report.html.pixels import data_uri

_INTRO = (
    "Mean absolute activation of the last stage over the queries of lowest average precision, from "
    "the lowest value of each image (blue) to its highest (red)."
)


@dataclass(frozen=True)
class Looked:
    """What a network made of N images.

    Attributes:
        dataset, run: its names.
        names: of the images.
        images: N x H x W x 3 pixels as it saw them.
        maps: N x h x w, from 0 to 1.
    """

    dataset: str
    run: str
    names: tuple[str, ...]
    images: NDArray[np.uint8]
    maps: NDArray[np.float32]


def looks_section(looked: Sequence[Looked]) -> Section | None:
    """Returns the maps; None where there is none."""
    views = []
    for dataset in dict.fromkeys(one.dataset for one in looked):
        own = [one for one in looked if one.dataset == dataset]
        for number, name in enumerate(own[0].names):
            seen = [(one.run, data_uri(_overlaid(one, number))) for one in own]
            image = own[0].images[number]
            views.append(View(f"{dataset}, {name}", (("image", data_uri(image)), *seen)))
    return Section("looks", "Where networks look", _INTRO, views=views) if views else None


def _overlaid(one: Looked, number: int) -> NDArray[np.uint8]:
    return overlaid(one.images[number], one.maps[number])
