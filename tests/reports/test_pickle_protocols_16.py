"""Weights that PyTorch cannot read without executing them say why, and how they become readable."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.models.foreign.checkpoint import read_state

STATE = {"conv.weight": torch.ones(2, 2), "conv.bias": torch.zeros(2, dtype=torch.float16)}


class Hostile:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit",)


def save(path: Path, whole: Any, protocol: int, *, zipped: bool = True) -> Path:
    torch.save(whole, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    return path


def refusal(path: Path) -> UserError:
    with pytest.raises(UserError, match="nothing in it was executed") as raised:
        read_state(path)
    return raised.value


def follow(error: UserError) -> None:
    """Does what the hint says."""
    exec(error.hint.removeprefix("if you trust it: "), {"torch": torch, "pickle": pickle})


def check_same(state: dict[str, Tensor]) -> None:
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 3])
def test_protocols_that_pytorch_reads_are_read(tmp_path: Path, protocol: int, zipped: bool) -> None:
    check_same(read_state(save(tmp_path / "theirs.pth", STATE, protocol, zipped=zipped)))


@pytest.mark.parametrize("whole", [STATE, collections.OrderedDict(STATE), {"state_dict": STATE}])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [4, 5])
def test_other_protocols_are_named_and_the_hint_makes_them_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, zipped: bool, whole: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal(save(tmp_path / "theirs.pth", whole, protocol, zipped=zipped))
    assert f"pickled by protocol {protocol}" in error.what
    follow(error)
    check_same(read_state(tmp_path / "weights.pth"))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [0, 1])
def test_the_oldest_protocols_have_to_be_saved_again(
    tmp_path: Path, protocol: int, zipped: bool
) -> None:
    error = refusal(save(tmp_path / "theirs.pth", STATE, protocol, zipped=zipped))
    assert "pickled by protocol 0 or 1" in error.what
    assert error.hint.startswith("save it again where it was made")


@pytest.mark.parametrize("arrays", [True, False])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_plain_pickle_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, arrays: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "theirs.pkl"
    state = {key: np.asarray(value) if arrays else value for key, value in STATE.items()}
    path.write_bytes(pickle.dumps(state, protocol=protocol))
    error = refusal(path)
    assert "written by pickle, not by torch.save" in error.what
    follow(error)
    check_same(read_state(tmp_path / "weights.pth"))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_such_a_file_is_named_before_its_protocol(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "theirs.pth"
    for whole in ({**STATE, "x": Hostile()}, {"x": Hostile(), **STATE}):
        error = refusal(save(path, whole, 4, zipped=zipped))
        assert "(builtins.exec)" in error.what
        assert "trust" not in error.hint


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x80\x04", b"no weights", b"(((" * 99])
def test_what_is_no_pickle_is_not_called_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "theirs.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_state(path)
    assert "protocol" not in raised.value.what
    assert "by pickle" not in raised.value.what
