"""Weights of others are read whatever plain values their scripts left beside them."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.models.foreign.checkpoint import read_state


class Hostile:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit",)


def options() -> argparse.Namespace:
    return argparse.Namespace(lr=0.1, gpus=[0, 1], root=Path("/data"), best=np.float64(0.9))


PLAIN: dict[str, Any] = {
    "options": options(),
    "array": np.arange(3.0),
    "whole": np.arange(3),
    "words": np.array(["a", "bc"]),
    "word": np.str_("a"),
    "truth": np.bool_(True),
    "half": np.float16(0.5),
    "generator": np.random.RandomState(0).get_state(),
    "python": random.Random(0).getstate(),
    "milestones": Counter([40, 70]),
    "place": Path("/data"),
    "device": torch.device("cpu"),
    "nothing": None,
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_beside_weights_do_not_matter(tmp_path: Path, name: str, zipped: bool) -> None:
    weights, path = {"conv.weight": torch.ones(2, 2)}, tmp_path / "theirs.pth"
    torch.save(
        {"state_dict": weights, name: PLAIN[name]}, path, _use_new_zipfile_serialization=zipped
    )
    assert list(read_state(path)) == ["conv.weight"]


@pytest.mark.parametrize("zipped", [True, False])
def test_code_hidden_in_them_is_named_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "theirs.pth"
    hidden = argparse.Namespace(inner=np.array([Hostile()], dtype=object))
    whole = {"state_dict": {"conv.weight": torch.ones(2, 2)}, "options": hidden}
    torch.save(whole, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"exec.*nothing in it was executed"):
        read_state(path)
