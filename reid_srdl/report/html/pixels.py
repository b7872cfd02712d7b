"""Images inside the page: JPEG files as text."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_QUALITY = 75


def data_uri(image: Image.Image | NDArray[np.uint8]) -> str:
    """Returns an image, or H x W x 3 pixels, as an address that holds it."""
    from PIL import Image

    out = io.BytesIO()
    shown = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    shown.save(out, format="JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
