"""A street camera: the place it sees, and what its lens and sensor do to the colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from reid_srdl.seeds import generator

SCENE_WIDTH, SCENE_HEIGHT, HORIZON = 1280, 560, 190

_WALLS = (
    (150, 140, 128),
    (128, 88, 70),
    (176, 176, 172),
    (96, 104, 112),
    (84, 108, 72),
    (196, 184, 160),
)
_GROUNDS = (
    (128, 126, 122),
    (104, 104, 106),
    (150, 140, 124),
    (116, 120, 110),
    (92, 90, 92),
    (160, 156, 150),
)


@dataclass(frozen=True)
class Camera:
    """What sets a camera apart; a function of seed and number.

    Attributes:
        colours: 3 x 3, maps linear-ish RGB to what the sensor records (cast and saturation).
        gamma, gain, lift: tone curve; ``lift`` is haze, 0 to 1.
        blur: standard deviation in pixels of the crop.
        noise: standard deviation, of 255.
        elevation: how far it looks down, radians.
        lean: how far it is from level, x per height.
        quality: of its JPEG files.
        scene: the place, RGB.
    """

    colours: NDArray[np.float64]
    gamma: float
    gain: float
    lift: float
    blur: float
    noise: float
    elevation: float
    lean: float
    quality: int
    scene: Image.Image


def camera(seed: int, number: int) -> Camera:
    """Returns camera ``number`` (from 1) with its scene."""
    draw = generator(seed, "camera", number)
    # Casts lie around the colour circle, so that any two cameras differ.
    turn = float(generator(seed, "casts").uniform(0, 2 * math.pi)) + number * 2.4
    cast = 1.0 + draw.uniform(0.07, 0.15) * np.cos(turn + np.array([0.0, 2.1, 4.2]))
    saturation = float(draw.uniform(0.6, 1.05))
    grey = np.full((3, 3), 1 / 3)
    colours = np.diag(cast) @ (saturation * np.eye(3) + (1 - saturation) * grey)
    return Camera(
        colours=colours,
        gamma=float(np.exp(draw.uniform(-0.4, 0.4))),
        gain=float(draw.uniform(0.75, 1.15)),
        lift=float(draw.uniform(0.0, 0.14)),
        blur=float(draw.uniform(0.3, 0.9)),
        noise=float(draw.uniform(2.0, 7.0)),
        elevation=float(draw.uniform(0.05, 0.42)),
        lean=float(draw.uniform(-0.07, 0.07)),
        quality=int(draw.integers(86, 93)),
        scene=_scene(seed, number),
    )


def expose(
    pixels: NDArray[np.float64],
    seen_by: Camera,
    light: NDArray[np.float64],
    draw: np.random.Generator,
) -> NDArray[np.uint8]:
    """Turns a drawn crop into what the camera records.

    Args:
        pixels: H x W x 3 in 0 to 1.
        seen_by: the camera.
        light: 3 gains of the light at that time.
        draw: for the noise.
    """
    seen = np.clip(pixels * light, 0, 1) @ seen_by.colours.T
    toned = np.clip(seen * seen_by.gain, 0, 1) ** seen_by.gamma
    toned = seen_by.lift + (1 - seen_by.lift) * toned
    grain = draw.normal(0.0, seen_by.noise / 255, toned.shape)
    return np.round(np.clip(toned + grain, 0, 1) * 255).astype(np.uint8)


def _scene(seed: int, number: int) -> Image.Image:
    """Draws the place: a wall or hedges, ground in perspective, things that stand about."""
    draw = generator(seed, "scene", number)
    style = (number - 1) % len(_WALLS)
    image = Image.new("RGB", (SCENE_WIDTH, SCENE_HEIGHT), _WALLS[style])
    pen = ImageDraw.Draw(image)
    _wall(pen, draw, style)
    pen.rectangle((0, HORIZON, SCENE_WIDTH, SCENE_HEIGHT), fill=_GROUNDS[style])
    _ground(pen, draw, style)
    for _ in range(int(draw.integers(7, 12))):
        _thing(pen, draw)
    return _textured(image, draw)


def _tint(
    draw: np.random.Generator, base: tuple[int, int, int], spread: int
) -> tuple[int, int, int]:
    step = int(draw.integers(-spread, spread + 1))
    red, green, blue = (min(255, max(0, part + step)) for part in base)
    return red, green, blue


def _wall(pen: ImageDraw.ImageDraw, draw: np.random.Generator, style: int) -> None:
    base = _WALLS[style]
    if style == 1:  # bricks
        for row in range(0, HORIZON, 12):
            for column in range(-(row // 12 % 2) * 16, SCENE_WIDTH, 32):
                pen.rectangle((column, row, column + 30, row + 10), fill=_tint(draw, base, 14))
    elif style == 4:  # hedge
        for _ in range(900):
            x, y = draw.uniform(0, SCENE_WIDTH), draw.uniform(0, HORIZON)
            radius = draw.uniform(6, 20)
            pen.ellipse(
                (x - radius, y - radius, x + radius, y + radius), fill=_tint(draw, base, 34)
            )
    else:  # a building with windows or doors
        step = int(draw.integers(70, 130))
        for column in range(0, SCENE_WIDTH, step):
            pen.rectangle((column, 0, column + step, HORIZON), fill=_tint(draw, base, 10))
            glass = _tint(draw, (86, 98, 112), 34)
            top = int(draw.integers(10, 60))
            pen.rectangle((column + 12, top, column + step - 14, HORIZON - 25), fill=glass)
            pen.line((column + step // 2, top, column + step // 2, HORIZON - 25), (60, 60, 60), 4)


def _ground(pen: ImageDraw.ImageDraw, draw: np.random.Generator, style: int) -> None:
    base = _GROUNDS[style]
    if style in (0, 2, 5):  # paving in perspective
        vanish = SCENE_WIDTH / 2
        for x in range(-3 * SCENE_WIDTH, 4 * SCENE_WIDTH, 110):
            pen.line(
                (vanish + (x - vanish) * 0.3, HORIZON, x, SCENE_HEIGHT), _tint(draw, base, 18), 3
            )
        y, step = float(HORIZON), 9.0
        while y < SCENE_HEIGHT:
            pen.line((0, y, SCENE_WIDTH, y), _tint(draw, base, 18), 2)
            y, step = y + step, step * 1.18
    else:  # a road with a kerb and a line
        pen.rectangle(
            (0, HORIZON, SCENE_WIDTH, HORIZON + 22), fill=_tint(draw, (168, 164, 156), 12)
        )
        top = int(draw.integers(60, 260)) + HORIZON
        for x in range(0, SCENE_WIDTH, 150):
            pen.polygon(
                [(x, top), (x + 90, top), (x + 80, top + 14), (x - 12, top + 14)], (206, 204, 190)
            )


def _thing(pen: ImageDraw.ImageDraw, draw: np.random.Generator) -> None:
    x, foot = float(draw.uniform(0, SCENE_WIDTH)), float(draw.uniform(HORIZON + 5, HORIZON + 110))
    kind = int(draw.integers(4))
    if kind == 0:  # tree
        pen.rectangle((x - 9, foot - 190, x + 9, foot), fill=_tint(draw, (84, 66, 50), 14))
        for _ in range(14):
            dx, dy = draw.uniform(-60, 60), draw.uniform(-90, 10)
            green = _tint(draw, (66, 96, 52), 26)
            pen.ellipse((x + dx - 26, foot - 170 + dy, x + dx + 26, foot - 118 + dy), fill=green)
    elif kind == 1:  # pole with a sign
        pen.rectangle((x - 4, foot - 260, x + 4, foot), fill=_tint(draw, (120, 120, 124), 30))
        sign = _tint(
            draw, ((170, 60, 54), (58, 90, 160), (220, 214, 180))[int(draw.integers(3))], 10
        )
        pen.rectangle((x - 26, foot - 250, x + 26, foot - 205), fill=sign)
    elif kind == 2:  # parked car
        paint = ((182, 184, 188), (46, 48, 54), (150, 44, 44), (60, 84, 130))[int(draw.integers(4))]
        pen.rounded_rectangle((x - 110, foot - 62, x + 110, foot - 12), 18, fill=paint)
        pen.rounded_rectangle((x - 62, foot - 100, x + 66, foot - 50), 20, fill=(58, 66, 76))
        for wheel in (-66, 66):
            pen.ellipse((x + wheel - 20, foot - 34, x + wheel + 20, foot + 6), fill=(26, 26, 28))
    else:  # bicycle
        frame = _tint(draw, (90, 90, 96), 50)
        for wheel in (-34, 34):
            pen.ellipse(
                (x + wheel - 28, foot - 56, x + wheel + 28, foot), outline=(40, 40, 42), width=4
            )
        pen.line(
            (x - 34, foot - 28, x - 8, foot - 66, x + 26, foot - 66, x + 34, foot - 28), frame, 5
        )


def _textured(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    """Adds blotches and grain, and light that changes along the scene."""
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), dtype=np.float64)
    for cells, strength in (((4, 8), 16.0), ((14, 32), 9.0), ((140, 320), 7.0)):
        coarse = Image.fromarray(draw.normal(0, strength, cells).astype(np.float32))
        blotches = coarse.resize((SCENE_WIDTH, SCENE_HEIGHT), Image.Resampling.BILINEAR)
        pixels += np.asarray(blotches)[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
