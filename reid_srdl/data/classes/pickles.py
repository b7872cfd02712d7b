"""Reads the pickles that CIFAR is published in; no code of a file is ever run.

A pickle may name any function to call. Here it may name only what an array of bytes needs, and
these names lead to this file's own classes, so not even NumPy's unpickling is reached.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMPY_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")


def read_pickle(content: bytes) -> dict[str, Any]:
    """Returns the dictionary that a pickle holds: numbers, texts, lists and uint8 arrays.

    Args:
        content: the whole file; texts of Python 2 are read as bytes, and decoded where they are
            keys or in a list.

    Raises:
        pickle.UnpicklingError: it is damaged, holds no dictionary, or names anything else.
    """
    try:
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle may raise anything at all
        raise pickle.UnpicklingError(f"damaged ({type(error).__name__}: {error})") from None
    if not isinstance(value, dict):
        raise pickle.UnpicklingError("holds no dictionary")
    return {_text(key): _plain(item) for key, item in value.items()}


class _Array:
    """What stands for a NumPy array until its state is read."""

    def __init__(self) -> None:
        self.values: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or fortran:
            raise pickle.UnpicklingError("holds an array that is not of plain bytes")
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        self.values = np.frombuffer(raw, dtype=np.uint8).reshape(shape)


class _Dtype:
    """The only type of number that an array may have: one unsigned byte."""

    def __init__(self, code: str | bytes, *_: object) -> None:
        if _text(code) != "u1":
            raise pickle.UnpicklingError(f"holds an array of {_text(code)!r}, not of bytes")

    def __setstate__(self, state: object) -> None:
        """Takes in nothing: byte order and alignment do not matter to bytes."""


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encodes text as {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _NUMPY_CORE and name == "_reconstruct":
            return _reconstruct
        known = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which images do not need")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("asks for something outside the file")


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.values is None:
            raise pickle.UnpicklingError("holds an array without values")
        return value.values
    if isinstance(value, list):
        return [_text(item) if isinstance(item, bytes) else item for item in value]
    return value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
