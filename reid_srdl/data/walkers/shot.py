"""Draws one image of the walkers: a visit's moment, seen by a camera, cut out by a box."""

from __future__ import annotations

import functools
import io
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from reid_srdl.data.walkers.camera import SCENE_HEIGHT, SCENE_WIDTH, Camera, camera, expose
from reid_srdl.data.walkers.figure import draw_person
from reid_srdl.data.walkers.pen import Stance
from reid_srdl.data.walkers.person import person
from reid_srdl.data.walkers.plan import Shot
from reid_srdl.seeds import generator

HEIGHT, WIDTH = 128, 64  # of a crop, in pixels, as in Market-1501
_OVER = 3  # drawn this many times larger, then averaged

_camera = functools.lru_cache(maxsize=32)(camera)


@dataclass(frozen=True)
class _Moment:
    """A moment of a visit, before a box is cut: the same for all boxes of that moment."""

    stance: Stance
    zoom: float  # of the place behind the walker
    left: float  # of the place, in its own pixels
    top: float
    resolution: float  # of the crop: 1 near the camera, less far away
    light: NDArray[np.float64]


def render(seed: int, shot: Shot) -> bytes:
    """Returns the JPEG file of one image, HEIGHT x WIDTH; a function of its arguments alone."""
    seen_by = _camera(seed, shot.camera)
    draw = generator(seed, "shot", shot.file)
    moment = _moment(seed, shot, seen_by)
    stance = _boxed(shot, moment.stance, draw)
    canvas = _place(seen_by, moment, stance)
    if shot.kind != "background":
        _cast_shadow(canvas, stance)
        layer = Image.new("RGBA", canvas.size)
        draw_person(ImageDraw.Draw(layer), person(seed, shot.person), stance)
        canvas.paste(layer, mask=layer)
        _occlude(seed, shot, canvas, stance, seen_by)
    pixels = _sampled(canvas, moment.resolution, seen_by.blur)
    crop = expose(_shaded(pixels, draw), seen_by, moment.light, draw)
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", quality=seen_by.quality)
    return file.getvalue()


def _moment(seed: int, shot: Shot, seen_by: Camera) -> _Moment:
    visit = generator(seed, "visit", shot.person, shot.camera)
    angle, phase = visit.uniform(0, 2 * math.pi, 2)
    distance, place = visit.uniform(0.0, 1.0), visit.uniform(0.05, 0.85)
    light = np.exp(visit.normal(0, 0.16)) * np.exp(visit.normal(0, 0.05, 3))
    now = generator(seed, "moment", shot.person, shot.camera, shot.frame)
    zoom = 0.8 + 0.9 * distance
    return _Moment(
        stance=Stance(
            angle=float(angle + now.normal(0, 0.22)),
            phase=float(phase + now.uniform(0, 2 * math.pi)),
            x=WIDTH * _OVER / 2,
            y=HEIGHT * _OVER * 0.955,
            scale=HEIGHT * _OVER * 0.9,
            lean=seen_by.lean + float(now.normal(0, 0.015)),
            elevation=seen_by.elevation * float(0.75 + 0.5 * (1 - distance)),
        ),
        zoom=float(zoom),
        left=float((place + 0.03 * shot.frame) * (SCENE_WIDTH - 400)),
        top=float((1 - distance) * (SCENE_HEIGHT - HEIGHT * _OVER / 0.8 - 1)),
        resolution=float(1.0 - 0.55 * distance * visit.uniform(0.4, 1.0)),
        light=light * np.exp(now.normal(0, 0.05)),
    )


def _boxed(shot: Shot, stance: Stance, draw: np.random.Generator) -> Stance:
    """Moves the walker within the crop, as boxes of different origin would."""
    if shot.kind in ("drawn", "background"):
        return stance
    if shot.kind == "junk":
        grow = float(np.exp(draw.choice([-0.45, 0.5]) + draw.normal(0, 0.1)))
        shift, rise = draw.choice([-1, 1]) * draw.uniform(0.3, 0.5), draw.uniform(-0.4, 0.4)
    elif shot.kind == "half":
        grow = float(draw.uniform(1.7, 2.2))
        shift, rise = draw.normal(0, 0.1), draw.choice([0.0, 0.95]) + draw.normal(0, 0.05)
    else:
        grow = float(np.exp(draw.normal(0.0, 0.07)))
        shift, rise = draw.normal(0, 0.055), draw.normal(0, 0.03)
        if draw.random() < 0.1:  # feet or head cut off
            grow, rise = grow * 1.15, rise + draw.choice([-0.02, 0.17])
    middle = stance.y - stance.scale / 2
    return replace(
        stance,
        x=stance.x + float(shift) * WIDTH * _OVER,
        y=middle + grow * stance.scale / 2 + float(rise) * HEIGHT * _OVER,
        scale=stance.scale * grow,
    )


def _place(seen_by: Camera, moment: _Moment, stance: Stance) -> Image.Image:
    """Cuts the piece of the camera's scene that lies behind the walker."""
    width, height = WIDTH * _OVER, HEIGHT * _OVER
    grow = moment.zoom * stance.scale / moment.stance.scale
    wide, high = min(width / grow, SCENE_WIDTH), min(height / grow, SCENE_HEIGHT)
    left = min(max(0.0, moment.left - (stance.x - width / 2) / grow), SCENE_WIDTH - wide)
    top = min(max(0.0, moment.top - (stance.y - moment.stance.y) / grow), SCENE_HEIGHT - high)
    box = (left, top, left + wide, top + high)
    return seen_by.scene.resize((width, height), Image.Resampling.BILINEAR, box=box)


def _cast_shadow(canvas: Image.Image, stance: Stance) -> None:
    layer = Image.new("L", canvas.size)
    half = stance.scale * 0.13
    box = (stance.x - half, stance.y - half * 0.4, stance.x + half * 1.5, stance.y + half * 0.3)
    ImageDraw.Draw(layer).ellipse(box, fill=110)
    canvas.paste((20, 20, 24), mask=layer.reduce(4).resize(canvas.size))


def _occlude(seed: int, shot: Shot, canvas: Image.Image, stance: Stance, seen_by: Camera) -> None:
    """Puts something in front of some walkers: the same in every box of that moment."""
    draw = generator(seed, "occlusion", shot.person, shot.camera, shot.frame)
    if draw.random() > 0.16:
        return
    pen = ImageDraw.Draw(canvas)
    width, height = canvas.size
    side = float(draw.choice([-1, 1]))
    kind = int(draw.integers(4))
    grey = int(draw.integers(50, 140))
    if kind == 0:  # pole
        x, half = stance.x + side * draw.uniform(0.0, 0.1) * stance.scale, draw.uniform(6, 14)
        pen.rectangle((x - half, 0, x + half, height), fill=(grey, grey, grey + 4))
    elif kind == 1:  # car or wall before the legs
        top = stance.y - draw.uniform(0.2, 0.42) * stance.scale
        paint = tuple(draw.integers(30, 200, 3).tolist())
        if top < height:  # else all of it stands below the picture
            pen.rounded_rectangle((-20, top, width + 20, height + 30), 26, fill=paint)
            pen.line((0, top + 26, width, top + 26), (40, 40, 44), 4)
    elif kind == 2:  # bush
        for _ in range(40):
            x = stance.x + side * draw.uniform(0.0, 0.3) * stance.scale
            y, radius = stance.y - draw.uniform(0, 0.4) * stance.scale, draw.uniform(8, 22)
            green = (60, int(draw.integers(70, 120)), 50)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=green)
    else:  # another walker, nearer
        other = replace(
            stance,
            x=stance.x + side * float(draw.uniform(0.17, 0.26)) * stance.scale,
            y=stance.y + 0.05 * stance.scale,
            scale=stance.scale * 1.06,
            angle=float(draw.uniform(0, 2 * math.pi)),
        )
        layer = Image.new("RGBA", canvas.size)
        number = 1_000_000 + int(draw.integers(1_000_000))
        draw_person(ImageDraw.Draw(layer), person(seed, number), other)
        canvas.paste(layer, mask=layer)


def _sampled(canvas: Image.Image, resolution: float, blur: float) -> NDArray[np.float64]:
    """Averages the canvas to the crop's size, with the detail that the distance leaves."""
    image = canvas.reduce(_OVER)
    if resolution < 0.95:
        small = (round(WIDTH * resolution), round(HEIGHT * resolution))
        image = image.resize(small, Image.Resampling.BILINEAR)
        image = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(image, dtype=np.float64) / 255


def _shaded(pixels: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float64]:
    """Lets light and folds vary over the crop."""
    coarse = Image.fromarray(draw.normal(1.0, 0.09, (8, 4)).astype(np.float32))
    fine = Image.fromarray(draw.normal(1.0, 0.05, (32, 16)).astype(np.float32))
    field = np.ones((HEIGHT, WIDTH))
    for texture in (coarse, fine):
        field *= np.asarray(texture.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
    return pixels * field[:, :, None]
