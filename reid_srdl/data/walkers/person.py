"""What a walker looks like: build, hair, clothes, bag."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from reid_srdl.seeds import generator

Colour = tuple[int, int, int]
Upper = Literal["tshirt", "longsleeve", "jacket", "coat"]
Lower = Literal["trousers", "shorts", "skirt"]
Pattern = Literal["plain", "bands", "stripes", "check", "blocks", "print"]
Hair = Literal["short", "long", "bun", "bald"]
Bag = Literal["none", "backpack", "shoulder", "hand"]

SKIN: tuple[Colour, ...] = (
    (241, 207, 179), (226, 183, 148), (202, 153, 114), (152, 104, 72), (98, 66, 48),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (24, 21, 20),
    (46, 33, 26),
    (84, 58, 38),
    (140, 104, 62),
    (120, 118, 116),
)
# Few colours, and dark ones most often: many people wear nearly the same.
UPPER: tuple[Colour, ...] = (
    (28, 28, 32), (28, 28, 32), (72, 74, 80), (128, 130, 134), (226, 226, 222), (226, 226, 222),
    (34, 44, 88), (52, 92, 160), (140, 184, 214), (176, 38, 44), (108, 28, 40), (46, 106, 62),
    (98, 102, 58), (222, 190, 66), (216, 134, 158), (104, 66, 128),
)  # fmt: skip
LOWER: tuple[Colour, ...] = (
    (26, 26, 30), (26, 26, 30), (38, 48, 78), (38, 48, 78), (70, 92, 134), (124, 146, 176),
    (104, 104, 108), (170, 152, 116), (214, 212, 206), (88, 64, 46),
)  # fmt: skip
SHOES: tuple[Colour, ...] = ((22, 22, 22), (230, 230, 228), (110, 78, 50), (170, 46, 46))
BAGS: tuple[Colour, ...] = (
    (24, 24, 28), (118, 78, 46), (168, 40, 44), (40, 60, 118), (64, 100, 70), (196, 178, 140),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A walker's looks. Lengths are in body heights."""

    girth: float
    shoulders: float
    legs: float
    head: float
    stride: float
    skin: Colour
    hair: Hair
    hair_colour: Colour
    hat: Colour | None
    upper: Upper
    upper_colour: Colour
    second_colour: Colour
    pattern: Pattern
    inner_colour: Colour
    lower: Lower
    lower_colour: Colour
    shoes: Colour
    bag: Bag
    bag_colour: Colour


def person(seed: int, number: int) -> Person:
    """Returns the looks of person ``number``; two of seven wear what the one before them wears."""
    looks = _looks(seed, number)
    if number % 7 in (3, 5):
        model = _looks(seed, number - 1)
        looks = replace(
            looks,
            upper=model.upper,
            upper_colour=model.upper_colour,
            second_colour=model.second_colour,
            lower=model.lower,
            lower_colour=model.lower_colour,
        )
    return looks


def _looks(seed: int, number: int) -> Person:
    draw = generator(seed, "person", number)

    def one_of(names: tuple[str, ...], shares: tuple[float, ...]) -> str:
        return names[int(np.searchsorted(np.cumsum(shares), draw.random() * sum(shares)))]

    def colour(palette: tuple[Colour, ...], spread: int = 7) -> Colour:
        base = palette[int(draw.integers(len(palette)))]
        red, green, blue = (int(part + draw.integers(-spread, spread + 1)) for part in base)
        return _clip(red), _clip(green), _clip(blue)

    long_hair = draw.random() < 0.45
    hair = one_of(("long", "bun", "short"), (6, 3, 1)) if long_hair else one_of(
        ("short", "bald"), (9, 1)
    )  # fmt: skip
    return Person(
        girth=float(draw.uniform(0.82, 1.28)),
        shoulders=float(draw.uniform(0.105, 0.135)) * (0.93 if long_hair else 1.0),
        legs=float(draw.uniform(0.45, 0.51)),
        head=float(draw.uniform(0.058, 0.068)),
        stride=float(draw.uniform(0.3, 0.55)),
        skin=colour(SKIN),
        hair=cast(Hair, hair),
        hair_colour=colour(HAIR, 4),
        hat=colour(UPPER) if draw.random() < 0.13 else None,
        upper=cast(Upper, one_of(("tshirt", "longsleeve", "jacket", "coat"), (5, 3, 3, 1))),
        upper_colour=colour(UPPER),
        second_colour=colour(UPPER),
        pattern=cast(
            Pattern,
            one_of(("plain", "bands", "stripes", "check", "blocks", "print"), (9, 3, 1, 2, 2, 3)),
        ),
        inner_colour=colour(UPPER),
        lower=cast(Lower, one_of(("trousers", "shorts", "skirt"), (6, 2, 2 if long_hair else 0))),
        lower_colour=colour(LOWER),
        shoes=colour(SHOES),
        bag=cast(Bag, one_of(("none", "backpack", "shoulder", "hand"), (4, 3, 2, 1))),
        bag_colour=colour(BAGS),
    )


def _clip(value: int) -> int:
    return min(255, max(0, value))
