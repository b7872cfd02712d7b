"""Integer products for the tests of ranks: ONNX Runtime's, or NumPy's where those saturate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from reid_srdl.retrieval.counting.kernels import on_integers
from reid_srdl.retrieval.counting.kernels.integer_product import is_exact


def _product(q: np.ndarray, g: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Returns what `integer_product` does where it is exact, slowly."""
    sums = (q.astype(np.float64) - 128) @ g.astype(np.float64)
    product: np.ndarray = sums.astype(np.float32) * scale
    return product


@pytest.fixture(scope="session", autouse=True)
def exact_products() -> Iterator[None]:
    """Lets kernels of integers be tested on any processor."""
    with pytest.MonkeyPatch.context() as patch:
        if not is_exact():
            patch.setattr(on_integers, "integer_product", _product)
        yield
