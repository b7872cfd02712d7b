"""A setting so small that float32 makes nothing of it is refused, as one too large is."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.config import merge, resolve
from reid_srdl.errors import UserError
from reid_srdl.methods import OPTIONS

TREE = {"data": {"name": "walkers"}, "method": {"name": "vanilla"}}


@pytest.mark.parametrize("key", ["lr", "clip", "max_norm"])
@pytest.mark.parametrize("value", [1e-300, 1e-46, 1e-38, 0.0, -1.0])
def test_what_float32_makes_nothing_of_is_refused(key: str, value: float) -> None:
    with pytest.raises(UserError, match=f"optim.{key}") as told:
        resolve(merge(TREE, {"optim": {key: value}}), OPTIONS)
    assert told.value.exit_status == 2


@pytest.mark.parametrize("key", ["lr", "clip", "max_norm"])
def test_the_least_one_is_a_number_in_float32(key: str) -> None:
    optim = resolve(merge(TREE, {"optim": {key: 1e-37}}), OPTIONS).optim
    assert np.float32(getattr(optim, key)) > np.finfo(np.float32).tiny
