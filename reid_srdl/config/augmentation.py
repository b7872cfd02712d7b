"""What training does to images beyond cropping and flipping: sections of ``data``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from reid_srdl.config.section import Section

_AREA, _RATIO = (0.02, 0.4), (0.3, 3.33)
_LEAST_RATIO, _MOST_RATIO = 0.01, 100.0


def _area(area: tuple[float, float]) -> tuple[float, float]:
    if not 0 < area[0] <= area[1] < 1:
        raise ValueError("give two fractions of the image above 0 and below 1, ascending")
    return area


def _ratio(ratio: tuple[float, float]) -> tuple[float, float]:
    if not _LEAST_RATIO <= ratio[0] <= ratio[1] <= _MOST_RATIO:
        raise ValueError(f"give two ratios from {_LEAST_RATIO:g} to {_MOST_RATIO:g}, ascending")
    return ratio


class ErasingConfig(Section):
    """Random erasing (Zhong et al. 2020): a rectangle of an image takes the images' mean."""

    probability: float = Field(0.0, ge=0, le=1, description="share of the images; 0: none")
    area: Annotated[tuple[float, float], AfterValidator(_area)] = Field(
        _AREA, description="least and largest area, as fractions of the image"
    )
    ratio: Annotated[tuple[float, float], AfterValidator(_ratio)] = Field(
        _RATIO, description="least and largest height of a rectangle, as multiples of its width"
    )

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, float] | None]]:
        """Yields what is set of rectangles that nobody draws."""
        for key, value, default in (("area", self.area, _AREA), ("ratio", self.ratio, _RATIO)):
            if not self.probability and value != default:
                what = "nothing reads it while data.erasing.probability is 0"
                yield key, what, ("probability", 0.5)

    def fits(self, height: int, width: int) -> bool:
        """Says whether the smallest rectangle of some ratio is lower and narrower than an image."""
        least = self.area[0]
        # Its height is sqrt(area H W ratio) < H, its width sqrt(area H W / ratio) < W.
        tallest, flattest = height / (least * width), least * height / width
        return self.ratio[0] < tallest and flattest < self.ratio[1]


class JitterConfig(Section):
    """Random colours, as torchvision's ColorJitter has them; 0 leaves a property as it is."""

    brightness: float = Field(0.0, ge=0, le=1, description="factors from 1 - x to 1 + x")
    contrast: float = Field(0.0, ge=0, le=1, description="factors from 1 - x to 1 + x")
    saturation: float = Field(0.0, ge=0, le=1, description="factors from 1 - x to 1 + x")
    hue: float = Field(0.0, ge=0, le=0.5, description="turns of the colour circle from -x to x")
