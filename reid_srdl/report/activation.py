"""Where networks look, as a picture: an image in each row, a network in each column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_srdl.files import whole_file
from reid_srdl.texts import plain

_HEIGHT, _GAP, _TOP = 256, 12, 30


def draw_activation(
    path: Path, names: Sequence[str], images: NDArray[np.uint8], maps: Sequence[NDArray[np.float32]]
) -> None:
    """Writes the picture.

    Args:
        path: .png.
        names: of the K networks.
        images: N x H x W x 3.
        maps: of each network, N x h x w from 0 to 1.

    Raises:
        FileError: the operating system refuses.
    """
    from PIL import Image, ImageDraw, ImageFont

    width = round(_HEIGHT * images.shape[2] / images.shape[1])
    size = (width, _HEIGHT)
    columns, rows = 1 + len(names), len(images)
    canvas = Image.new(
        "RGB", (columns * (width + _GAP) + _GAP, _TOP + rows * (_HEIGHT + _GAP)), "white"
    )
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    for column, name in enumerate(("image", *names)):
        pen.text((_GAP + column * (width + _GAP), 8), plain(name), fill="black", font=font)
    for row, pixels in enumerate(images):
        top = _TOP + row * (_HEIGHT + _GAP)
        canvas.paste(Image.fromarray(pixels).resize(size), (_GAP, top))
        for column, seen in enumerate(maps, 1):
            shown = overlaid(np.asarray(Image.fromarray(pixels).resize(size)), seen[row])
            canvas.paste(Image.fromarray(shown), (_GAP + column * (width + _GAP), top))
    with whole_file(path, "the picture") as temporary:
        canvas.save(temporary, format="PNG")


def overlaid(pixels: NDArray[np.uint8], seen: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns H x W x 3 pixels, half covered by the colours of an h x w map from 0 to 1."""
    from matplotlib import colormaps
    from PIL import Image

    height, width = pixels.shape[:2]
    smooth = Image.fromarray(seen).resize((width, height), Image.Resampling.BICUBIC)
    colours = 255 * colormaps["turbo"](np.clip(np.asarray(smooth), 0, 1))[..., :3]
    mixed: NDArray[np.uint8] = (0.5 * pixels + 0.5 * colours).astype(np.uint8)
    return mixed
