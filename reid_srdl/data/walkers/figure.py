"""Draws a walker: limbs, clothes, head and bag, each where its depth puts it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from PIL import ImageDraw

from reid_srdl.data.walkers.pen import Pen, Stance, shade
from reid_srdl.data.walkers.person import Person


def draw_person(draw: ImageDraw.ImageDraw, person: Person, stance: Stance) -> None:
    """Draws a walker on an RGBA canvas."""
    pen = Pen(draw, stance)
    swing = person.stride * math.sin(stance.phase)
    hip, neck = person.legs, 1.0 - 2.15 * person.head
    for side in (-1.0, 1.0):
        _leg(pen, person, side, swing * side, hip, stance.phase)
        _arm(pen, person, side, -swing * side, neck)
    pen.later(0.005, lambda: _torso(pen, person, hip, neck))
    pen.later(0.012, lambda: _head(pen, person))
    _long_hair(pen, person, neck)
    _bag(pen, person, hip, neck)
    pen.finish()


def _leg(pen: Pen, person: Person, side: float, swing: float, hip: float, phase: float) -> None:
    lateral = 0.052 * person.girth * side
    lift = 0.05 * max(0.0, math.cos(phase) * side)  # the leg that comes forward bends
    knee = (lateral, math.sin(swing) * hip * 0.5 + lift, hip * 0.52)
    ankle = (lateral, math.sin(swing * 1.15) * hip - lift * 1.2, 0.035 + lift)
    toe = (lateral * 1.1, ankle[1] + 0.075, 0.018 + lift * 0.7)
    top = (lateral, 0.0, hip)
    wide = 0.05 * person.girth
    bare = person.skin if person.lower != "trousers" else person.lower_colour

    def part() -> None:
        pen.limb([knee, ankle], [wide * 0.74, wide * 0.5], bare)
        thigh = person.skin if person.lower == "skirt" else person.lower_colour
        pen.limb([top, knee], [wide, wide * 0.8], thigh)
        pen.limb([ankle, toe], [wide * 0.52, wide * 0.4], person.shoes)

    pen.later(pen.nearness((lateral, ankle[1] * 0.3, 0.0)) - 0.1, part)


def _arm(pen: Pen, person: Person, side: float, swing: float, neck: float) -> None:
    out = person.shoulders * person.girth**0.5
    shoulder = (side * out * 0.9, 0.0, neck - 0.05)
    elbow = (side * (out + 0.018), math.sin(swing) * 0.12, neck - 0.185)
    wrist = (side * (out + 0.01), math.sin(swing * 1.3) * 0.17 + 0.05, neck - 0.325)
    wide = 0.032 * person.girth
    forearm = person.skin if person.upper == "tshirt" else person.upper_colour

    def part() -> None:
        pen.limb([elbow, wrist], [wide * 0.8, wide * 0.62], forearm)
        pen.limb([shoulder, elbow], [wide * 1.25, wide * 0.85], shade(person.upper_colour, 0.93))
        pen.disc(wrist, wide * 0.75, wide * 0.8, person.skin)

    pen.later(pen.nearness((side * out, elbow[1], 0.0)) + 0.008, part)


def _rows(pen: Pen, person: Person, bottom: float, neck: float) -> list[tuple[float, float]]:
    """Heights and seen half widths of the upper body, from the hem to the neck."""
    girth, out = person.girth, person.shoulders
    profile = (
        (bottom, 0.092 * girth + (0.02 if person.upper == "coat" else 0.0), 0.075 * girth),
        (neck - 0.21, 0.08 * girth, 0.07 * girth),
        (neck - 0.09, 0.1 * girth, 0.078 * girth),
        (neck - 0.055, out * girth**0.5, 0.068 * girth),
        (neck - 0.016, out * girth**0.5 * 0.74, 0.056 * girth),
        (neck + 0.006, 0.042, 0.04),
    )
    return [(height, pen.half_width(side, front)) for height, side, front in profile]


def _torso(pen: Pen, person: Person, hip: float, neck: float) -> None:
    if person.lower == "skirt":
        low = (hip * 0.52, pen.half_width(0.125 * person.girth, 0.11 * person.girth))
        high = (hip + 0.03, pen.half_width(0.09 * person.girth, 0.075 * person.girth))
        pen.band(low, high, shade(person.lower_colour, 0.8))
        pen.band(low, high, person.lower_colour, -1.0, 0.45)
    else:
        girth = pen.half_width(0.095 * person.girth, 0.075 * person.girth)
        pen.band((hip - 0.05, girth), (hip + 0.05, girth), person.lower_colour)
    bottom = {"coat": hip * 0.62, "jacket": hip - 0.015}.get(person.upper, hip + 0.005)
    rows = _rows(pen, person, bottom, neck)
    pen.limb([(0.0, 0.0, neck - 0.01), (0.0, 0.01, neck + 0.04)], [0.034, 0.03], person.skin)
    for low, high in pairwise(rows):
        pen.band(low, high, shade(person.upper_colour, 0.8))
        pen.band(low, high, person.upper_colour, -1.0, 0.5)
    _pattern(pen, person, rows)
    if person.upper in ("jacket", "coat") and pen.facing > 0.25:
        for low, high in pairwise(rows):
            pen.band(low, high, person.inner_colour, -0.24, 0.24)


def _at(rows: Sequence[tuple[float, float]], share: float) -> tuple[float, float]:
    """Height and half width at a share of the way from hem to shoulders."""
    height = rows[0][0] + share * (rows[3][0] - rows[0][0])
    for (below, wide), (above, narrow) in pairwise(rows):
        if height <= above:
            part = (height - below) / ((above - below) or 1.0)
            return height, wide + part * (narrow - wide)
    return rows[-1]


def _pattern(pen: Pen, person: Person, rows: Sequence[tuple[float, float]]) -> None:
    second = person.second_colour
    if person.pattern in ("bands", "check"):
        for row in range(5):
            pen.band(_at(rows, row * 0.2 + 0.03), _at(rows, row * 0.2 + 0.12), second)
    if person.pattern in ("stripes", "check"):
        for column in range(5):
            left = -0.9 + 0.4 * column
            for low, high in pairwise(rows[:4]):
                pen.band(low, high, second, left, left + 0.14)
    if person.pattern == "blocks":
        for start in (0.0, 0.2):
            pen.band(_at(rows, start), _at(rows, start + 0.2), second)
    if person.pattern == "print" and pen.facing > 0.3:
        pen.band(_at(rows, 0.55), _at(rows, 0.8), second, -0.45, 0.45)


def _head(pen: Pen, person: Person) -> None:
    size = person.head
    middle = 1.0 - size
    crown = person.skin if person.hair == "bald" else person.hair_colour
    pen.disc((0.0, -0.006, middle), size * 0.84, size, crown)
    if pen.facing > -0.5:
        face = size * (0.42 + 0.3 * max(0.0, pen.facing))
        pen.disc((0.0, 0.036, middle - size * 0.2), face, size * 0.76, person.skin)
    if person.hair == "bun":
        pen.disc((0.0, -0.055, middle + size * 0.5), size * 0.4, size * 0.4, person.hair_colour)
    if person.hat is not None:
        pen.disc((0.0, 0.0, middle + size * 0.5), size * 0.9, size * 0.55, person.hat)
        pen.disc(
            (0.0, 0.045, middle + size * 0.32), size * 0.6, size * 0.16, shade(person.hat, 0.7)
        )


def _long_hair(pen: Pen, person: Person, neck: float) -> None:
    if person.hair != "long":
        return
    top, end = (0.0, -0.02, 1.0 - person.head), (0.0, -0.05, neck - 0.07)
    widths = [person.head * 0.8, person.head * 0.72]
    where = pen.nearness((0.0, -0.05, 0.0))
    pen.later(where, lambda: pen.limb([top, end], widths, person.hair_colour))


def _bag(pen: Pen, person: Person, hip: float, neck: float) -> None:
    colour, out = person.bag_colour, person.shoulders
    if person.bag == "backpack":
        half = pen.half_width(0.085, 0.05)
        behind = pen.nearness((0.0, -0.11, 0.0))

        def pack() -> None:
            low, high = (0.0, -0.11, hip + 0.09), (0.0, -0.11, neck - 0.06)
            pen.limb([low, high], [half, half * 0.85], colour)
            pen.limb([(0.0, -0.15, hip + 0.1)], [half * 0.6], shade(colour, 0.75))

        pen.later(behind, pack)
        if pen.facing > 0.1:
            for side in (-0.06, 0.06):
                strap = [(side, 0.07, neck - 0.02), (side * 1.2, 0.06, hip + 0.13)]
                pen.later(0.006, lambda strap=strap: pen.limb(strap, [0.013, 0.013], colour))  # type: ignore[misc]
    elif person.bag == "shoulder":
        top, end = (-out * 0.8, 0.0, neck - 0.01), (out * 1.05, 0.0, hip + 0.02)
        pen.later(0.007, lambda: pen.limb([top, end], [0.011, 0.011], shade(colour, 0.8)))
        where = pen.nearness((out * 1.2, 0.0, 0.0)) + 0.01
        pen.later(where, lambda: pen.limb([end, (end[0], 0.0, hip - 0.06)], [0.05, 0.055], colour))
    elif person.bag == "hand":
        hand = (-out - 0.02, 0.06, hip - 0.03)
        low = (hand[0], hand[1], hip - 0.12)
        where = pen.nearness((hand[0], 0.0, 0.0)) + 0.02
        pen.later(where, lambda: pen.limb([hand, low], [0.035, 0.055], colour))
