"""Opens files of weights that others wrote; nothing in them is executed."""

from __future__ import annotations

import argparse
import pathlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.models.damage import AGAIN, damage
from reid_srdl.models.foreign.loading import some
from reid_srdl.models.foreign.pickled import globals_of, protocol_of

# What torchreid's engine and others leave beside the weights: NumPy's scalars and arrays, such as a
# rank-1 or a generator's state, and a script's options. They are plain values and run nothing;
# under NumPy 1 the first two were called otherwise.
_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]
_ARRAY = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
_NUMBERS = "Bool Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 Float32 Float64 Str"
ALLOWED: tuple[Callable[..., Any] | tuple[Callable[..., Any], str], ...] = (
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    _ARRAY,
    (_ARRAY, "numpy.core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    *(getattr(np.dtypes, f"{number}DType") for number in _NUMBERS.split()),
    argparse.Namespace,
    (pathlib.PosixPath, "pathlib.PosixPath"),
)

PREFIXES = ("module.", "model.", "backbone.", "base.", "_orig_mod.")
_WRAPPERS = ("state_dict", "model")  # where scripts keep the weights, beside other tensors
_COUNTER = "n_averaged"  # beside the weights of torch's AveragedModel
_MODULES = "torch.nn.modules."
_SCRIPTED = "__torch__."
_PROTOCOLS = (2, 3)  # those whose opcodes torch.load knows with weights_only


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads a state dictionary: bare, or the one dictionary of tensors in a checkpoint.

    Prefixes that all keys carry are taken off: those of DataParallel, of torch.compile, and of a
    network that is a part of another.

    Raises:
        UserError: the file is not there, or holds anything but named tensors, or several networks
            of them, or numbers that are not finite.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such weights file", "name a file of weights, .pth or .pt")
    if told := damage(path, safetensors=path.suffix == ".safetensors"):
        raise UserError(f"{path}: {told}; nothing in it was executed", AGAIN)
    try:
        state = _tensors(_loaded(path))
    except _SeveralError as error:
        raise UserError(
            f"{path}: holds the same network several times: {', '.join(error.names)}",
            "save the one that is meant: "
            f"torch.save(torch.load({str(path)!r})[{error.names[-1]!r}], 'weights.pth')",
        ) from None
    if state is None:
        raise _not_weights(path)
    _check_plain(state, path)
    _check_finite(state, path)
    state.pop(_COUNTER, None)
    while prefix := _shared(state):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


class _SeveralError(Exception):
    """A file holds the same keys under several names."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(*names)
        self.names = names


def _check_plain(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuses tensors that do not hold a number for each of their places."""
    wrong = [
        key
        for key, value in state.items()
        if value.is_meta or value.is_quantized or value.layout != torch.strided
    ]
    if wrong:
        raise UserError(
            f"{path}: holds tensors that are sparse, quantised or without values: {some(wrong)}",
            "save plain ones, as the network had them in training",
        )


def _check_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights of which no number could come."""
    wrong = [
        key
        for key, value in state.items()
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all())
    ]
    if wrong:
        raise UserError(
            f"{path}: holds NaN or infinity in {some(wrong)}",
            "give a file of an earlier epoch, or fetch the file again",
        )


def _loaded(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with (
            warnings.catch_warnings(action="ignore"),  # of foreign pickles, refused below
            torch.serialization.safe_globals(list(ALLOWED)),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a stranger's pickle makes PyTorch raise nearly anything
        return None


def _tensors(loaded: object) -> dict[str, Tensor] | None:
    """Returns a dictionary of tensors: the thing itself, or the one that it holds.

    Raises:
        _SeveralError: it holds the weights of one network twice, such as a running mean of them.
    """
    if not isinstance(loaded, Mapping) or not loaded:
        return None
    if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        return dict(loaded)
    inner = {key: found for key, part in loaded.items() if (found := _tensors(part)) is not None}
    named = [inner[key] for key in _WRAPPERS if key in inner]
    alike = [key for key, one in inner.items() if named and one.keys() == named[0].keys()]
    if len(alike) > 1:
        raise _SeveralError(alike)
    if len(named) == 1:
        return named[0]
    return next(iter(inner.values())) if len(inner) == 1 else None


def _shared(state: Mapping[str, Tensor]) -> str:
    """Returns the prefix that all keys carry; empty: there is none."""
    return next((one for one in PREFIXES if all(key.startswith(one) for key in state)), "")


def _not_weights(path: Path) -> UserError:
    """Returns what is wrong with a file that holds no plain weights."""
    found = globals_of(path)
    if any(name.startswith(_MODULES) for name in found):
        return UserError(
            f"{path}: holds a pickled module ({found[0]}), which only its own code can open; "
            "nothing in it was executed",
            f"where that code is: model = torch.load({str(path)!r}, weights_only=False); "
            "torch.save(model.state_dict(), 'weights.pth')",
        )
    if any(name.startswith(_SCRIPTED) for name in found):
        return UserError(
            f"{path}: a TorchScript program, which is executed when it is opened; it was not",
            "if you trust it: "
            f"torch.save(torch.jit.load({str(path)!r}).state_dict(), 'weights.pth')",
        )
    if not found and (wrong := _by_protocol(path)) is not None:
        return wrong
    told = f" ({', '.join(found[:3])})" if found else ""
    return UserError(
        f"{path}: not a file of plain weights{told}; nothing in it was executed",
        "give a state dictionary, or a checkpoint that holds one: "
        "torch.save(model.state_dict(), FILE)",
    )


def _by_protocol(path: Path) -> UserError | None:
    """Returns what is wrong with tensors that were pickled otherwise than torch.save does it."""
    pickled = protocol_of(path)
    if pickled is None or (pickled[1] and pickled[0] in _PROTOCOLS):
        return None
    protocol, by_torch = pickled
    number = str(protocol) if protocol > 1 else "0 or 1"
    how = f"pickled by protocol {number}" if by_torch else "written by pickle, not by torch.save"
    if not by_torch:
        again = (
            f"if you trust it: state = pickle.load(open({str(path)!r}, 'rb')); torch.save("
            "{key: torch.as_tensor(value) for key, value in state.items()}, 'weights.pth')"
        )
    elif protocol < min(_PROTOCOLS):  # no option of torch.load reads these
        again = "save it again where it was made, without pickle_protocol: torch.save(state, FILE)"
    else:
        again = (
            "if you trust it: "
            f"torch.save(torch.load({str(path)!r}, weights_only=False), 'weights.pth')"
        )
    return UserError(
        f"{path}: {how}, and PyTorch reads without executing anything only what torch.save wrote "
        "by protocol 2 or 3; nothing in it was executed",
        again,
    )
