"""Which way up an image is: the orientation that cameras write into EXIF (tag 274).

Exif 2.32 (CIPA DC-008), 4.6.4: eight values, how the stored rows and columns are to be shown.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from PIL import ExifTags, Image

UPRIGHT = 1

_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)  # width and height change places

# What a PNG that may be turned holds somewhere; only such a one is decoded to ask.
_PNG_MARKS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")


def orientation(image: Image.Image) -> int:
    """Returns 1 (upright) to 8 of an opened image; 1 where it says nothing that can be read."""
    if image.format == "TIFF":
        return UPRIGHT  # Pillow turns these itself as it reads them
    value = None
    # A viewer shows an image whose EXIF is damaged, and so is it read here: as it is stored.
    with contextlib.suppress(Exception):
        value = image.getexif().get(ExifTags.Base.Orientation)
    return value if value in _METHODS else UPRIGHT


def is_turned(value: int) -> bool:
    """Tells whether an orientation makes rows of columns."""
    return value in _TURNED


def upright(image: Image.Image, value: int) -> Image.Image:
    """Returns decoded pixels as a viewer shows them."""
    return image.transpose(_METHODS[value]) if value in _METHODS else image


def shown_size(path: Path, image: Image.Image) -> tuple[int, int]:
    """Returns (height, width) as shown of an image that is opened, but not decoded yet."""
    height, width = image.height, image.width
    if height == width:
        return height, width
    if image.format == "PNG" and "exif" not in image.info:
        # PNGs may tell it behind the pixels, so Pillow decodes them all to say.
        content = path.read_bytes()
        if not any(mark in content for mark in _PNG_MARKS):
            return height, width
    return (width, height) if is_turned(orientation(image)) else (height, width)
