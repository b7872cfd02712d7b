"""A pen that draws three-dimensional parts of a body as flat polygons, far ones first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from reid_srdl.data.walkers.person import Colour

# Right of the body, forward, up; in body heights, from the point between the feet.
Joint = tuple[float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Stance:
    """How a walker is seen.

    Attributes:
        angle: where the walker faces, radians: 0 towards the camera, pi away from it.
        phase: of the gait, radians.
        x, y: the point between the feet, in canvas pixels.
        scale: body height in canvas pixels.
        lean: shear of the upright, x per height (the camera is not level).
        elevation: how far the camera looks down, radians.
    """

    angle: float
    phase: float
    x: float
    y: float
    scale: float
    lean: float = 0.0
    elevation: float = 0.1


class Pen:
    """Draws parts of a body in the order of their distance from the camera."""

    def __init__(self, draw: ImageDraw.ImageDraw, stance: Stance) -> None:
        self._draw = draw
        self._stance = stance
        self._cos, self._sin = math.cos(stance.angle), math.sin(stance.angle)
        self._parts: list[tuple[float, Callable[[], None]]] = []

    @property
    def facing(self) -> float:
        """1: the front is seen, 0: a side, -1: the back."""
        return self._cos

    def nearness(self, joint: Joint) -> float:
        return joint[1] * self._cos - joint[0] * self._sin

    def point(self, joint: Joint) -> Point:
        stance = self._stance
        across = joint[0] * self._cos + joint[1] * self._sin
        up = joint[2] * math.cos(stance.elevation)
        up -= self.nearness(joint) * math.sin(stance.elevation)
        return (
            stance.x + stance.scale * (across + stance.lean * joint[2]),
            stance.y - stance.scale * up,
        )

    def half_width(self, lateral: float, forward: float) -> float:
        """Half width of an upright elliptic cylinder, as seen."""
        return math.hypot(lateral * self._cos, forward * self._sin)

    def later(self, nearness: float, part: Callable[[], None]) -> None:
        self._parts.append((nearness, part))

    def finish(self) -> None:
        for _, part in sorted(self._parts, key=lambda item: item[0]):
            part()

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon(list(points), fill=(*colour, 255))

    def disc(self, centre: Joint, across: float, up: float, colour: Colour) -> None:
        x, y = self.point(centre)
        across, up = across * self._stance.scale, up * self._stance.scale
        self._draw.ellipse((x - across, y - up, x + across, y + up), fill=(*colour, 255))

    def limb(self, joints: Sequence[Joint], widths: Sequence[float], colour: Colour) -> None:
        """Draws a chain of tapered capsules, darker at one edge."""
        for tint, share, shift in ((0.78, 1.0, 0.0), (1.0, 0.7, -0.22)):
            for joint, width in zip(joints, widths, strict=True):
                x, y = self.point(joint)
                radius = width * share * self._stance.scale
                x += shift * width * self._stance.scale
                box = (x - radius, y - radius, x + radius, y + radius)
                self._draw.ellipse(box, fill=(*shade(colour, tint), 255))
            for (a, wide), (b, narrow) in zip(
                zip(joints[:-1], widths[:-1], strict=True),
                zip(joints[1:], widths[1:], strict=True),
                strict=True,
            ):
                self._capsule(a, b, wide, narrow, share, shift, shade(colour, tint))

    def _capsule(
        self,
        a: Joint,
        b: Joint,
        wide: float,
        narrow: float,
        share: float,
        shift: float,
        colour: Colour,
    ) -> None:
        (ax, ay), (bx, by) = self.point(a), self.point(b)
        scale = self._stance.scale
        ax, bx = ax + shift * wide * scale, bx + shift * narrow * scale
        length = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = -(by - ay) / length * scale * share, (bx - ax) / length * scale * share
        self.polygon(
            [
                (ax + nx * wide, ay + ny * wide),
                (bx + nx * narrow, by + ny * narrow),
                (bx - nx * narrow, by - ny * narrow),
                (ax - nx * wide, ay - ny * wide),
            ],
            colour,
        )

    def band(
        self,
        low: tuple[float, float],
        high: tuple[float, float],
        colour: Colour,
        left: float = -1.0,
        right: float = 1.0,
    ) -> None:
        """Fills between two (height, half width) rows, from share ``left`` to ``right``."""
        corners = []
        for (height, half), sides in ((low, (left, right)), (high, (right, left))):
            x, y = self.point((0.0, 0.0, height))
            corners += [(x + side * half * self._stance.scale, y) for side in sides]
        self.polygon(corners, colour)


def shade(colour: Colour, factor: float) -> Colour:
    """Returns a colour made darker (below 1) or lighter."""
    red, green, blue = (min(255, int(part * factor)) for part in colour)
    return red, green, blue
