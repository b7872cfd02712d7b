"""Any image's pixels as RGB of 8 bits, as a viewer shows them, or a reason why not.

- More bits are scaled: the upper eight are kept, as Pillow keeps them of 16-bit colours.
- Transparent pixels are laid over black.
- CMYK is converted plainly; colour profiles are not applied, to no kind of image.
- Of several frames or pages the first is taken.
- What has no known white is refused: 32-bit integers, floating-point and signed pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
_PLAIN = ("RGB", "L", "1", "P", "CMYK", "YCbCr", "RGBX")
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_BITS_TAG, _PHOTOMETRIC_TAG = 258, 262  # of TIFF
_WHITE_IS_ZERO = 0
_LUMA = np.array([19595, 38470, 7471], np.uint32)  # of 2^16


class ColourError(Exception):
    """Pixels of a kind that is not read; the text says which."""


def as_rgb(image: Image.Image) -> Image.Image:
    """Decodes an opened image to RGB of 8 bits; ordinary RGB stays as it is.

    Raises:
        ColourError: its kind of pixels has no meaning as colours.
    """
    image.load()  # some formats tell transparency only then
    if image.mode in _DEEP or (image.mode == "I" and image.format == "PPM"):
        return _from_deep(image)
    if image.mode in _ALPHA or (image.mode in _PLAIN and "transparency" in image.info):
        return _over_black(image.convert("RGBA"))
    if image.mode in _PLAIN:
        return image.convert("RGB")
    kind = {"I": "32-bit or signed integers", "F": "floating-point numbers"}.get(image.mode)
    raise ColourError(f"its pixels are {kind or image.mode}, which are not read as colours")


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the luma of N x H x W x 3 pixels, N x H x W x 1: ITU-R 601-2, rounded as Pillow does.

    >>> grey(np.array([[[[10, 10, 10], [255, 0, 0]]]], np.uint8)).tolist()
    [[[[10], [76]]]]
    """
    luma = [(image.astype(np.uint32) @ _LUMA + (1 << 15)) >> 16 for image in pixels]
    return np.stack(luma).astype(np.uint8)[..., None]


def _from_deep(image: Image.Image) -> Image.Image:
    """Scales grey levels of 9 to 16 bits by their upper eight."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    bits = int(tags.get(_BITS_TAG, (16,))[0])
    values = np.asarray(image).astype(np.int64)
    levels = (values >> (bits - 8)).clip(0, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        levels = 255 - levels
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        levels[values == clear] = 0
    return Image.fromarray(levels).convert("RGB")


def _over_black(image: Image.Image) -> Image.Image:
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image).convert("RGB")
