"""Full arrays of numbers in MATLAB's level 5 files (versions 5 to 7.2), read without trust.

SciPy's reader ends the whole process (a segmentation fault) on some files with one flipped byte.
This one takes no size on trust. Format: MathWorks, MAT-File Format, "Level 5 MAT-File Format": 128
bytes that say version and byte order, then elements, each a type, a size and as many bytes; those
of type 15 are packed by zlib.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from reid_srdl.errors import UserError
from reid_srdl.feature_files.strangers import check_memory

_MATRIX, _PACKED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_STORED |= {12: "i8", 13: "u8"}
_CLASSES = {1: "cells", 2: "a struct", 3: "an object", 4: "text", 5: "sparse"}
_CLASSES |= dict(enumerate(["double", "single"], 6))
_CLASSES |= dict(enumerate(["int8", "uint8", "int16", "uint16"], 8))
_CLASSES |= dict(enumerate(["int32", "uint32", "int64", "uint64"], 12))
_COMPLEX, _LOGICAL = 0x0800, 0x0200
_START = 1 << 12  # bytes of a packed element that hold an array's name

ByteOrder = Literal["<", ">"]


@dataclass(frozen=True)
class Variable:
    """One variable of a file.

    Attributes:
        kind: its class in MATLAB: ``double``, ``single``, ``int8``, ..., ``logical``, ``complex``;
            or ``cells``, ``text``, ``sparse`` and the like.
        values: its values as they are stored, which may be in a narrower type; None where it is no
            full array of real numbers.
    """

    kind: str
    values: NDArray[Any] | None


def read_variables(
    path: Path, names: Collection[str], others: list[str] | None = None
) -> dict[str, Variable]:
    """Returns the variables of these names that a file holds; ``others`` gets those of others.

    Raises:
        UserError: the file is of another version, or too large for memory.
        Exception: whatever damage brings about.
    """
    found: dict[str, Variable] = {}
    with path.open("rb") as file:
        order = _byte_order(path, file.read(128))
        for kind, size in _tags(file, order):
            if kind not in (_MATRIX, _PACKED):
                file.seek(size, 1)
                continue
            check_memory(str(path), size)
            data = file.read(size)
            if len(data) < size:
                raise EOFError("it is cut short")
            name, variable = _variable(path, data, order, names, packed=kind == _PACKED)
            if variable is not None:
                found[name] = variable
            elif name and others is not None:
                others.append(name)
    return found


def _byte_order(path: Path, start: bytes) -> ByteOrder:
    if len(start) < 128:
        raise EOFError("it is cut short")
    if start[126:128] not in (b"IM", b"MI"):
        raise ValueError("not a MATLAB file of version 5 to 7.2")
    order: ByteOrder = "<" if start[126:128] == b"IM" else ">"
    version = int(np.frombuffer(start[124:126], f"{order}u2")[0])
    if version == 0x0200:
        raise UserError(f"{path}: is a MATLAB 7.3 file", "save it again with -v7")
    if version != 0x0100:
        raise ValueError(f"version {version:#06x} of the format")
    return order


def _tags(file: IO[bytes], order: ByteOrder) -> Iterator[tuple[int, int]]:
    while tag := file.read(8):
        if len(tag) < 8:
            raise EOFError("it is cut short")
        kind, size = np.frombuffer(tag, f"{order}u4").tolist()
        yield kind, size


def _variable(
    path: Path, data: bytes, order: ByteOrder, names: Collection[str], *, packed: bool
) -> tuple[str, Variable | None]:
    body = data
    if packed:
        body = zlib.decompressobj().decompress(data, _START)[8:]
    flags, dims, name = _head(body, order)
    if name not in names:
        return name, None
    if packed:
        body = _unpacked(f"{path}: {name}", data, order)
    kind = _CLASSES.get(flags & 0xFF, "of no known class")
    if flags & 0xFF < 6 or flags & 0xFF not in _CLASSES:
        return name, Variable(kind, None)
    if flags & _COMPLEX:
        return name, Variable("complex", None)
    elements = _Elements(body, order)
    for _ in range(3):
        elements.next()
    stored, values = elements.next()
    array = np.frombuffer(values, f"{order}{_STORED[stored]}")
    if any(side < 0 for side in dims) or math.prod(dims) != len(array):
        raise ValueError(f"{name} has {len(array)} values, its header promises {dims}")
    array = array.reshape(dims, order="F").astype(array.dtype.newbyteorder("="), copy=False)
    return name, Variable("logical" if flags & _LOGICAL else kind, array)


def _head(body: bytes, order: ByteOrder) -> tuple[int, list[int], str]:
    """Returns an array's flags, its sides and its name."""
    elements = _Elements(body, order)
    flags = int(np.frombuffer(elements.next()[1], f"{order}u4")[0])
    dims = np.frombuffer(elements.next()[1], f"{order}i4").tolist()
    return flags, dims, elements.next()[1].decode("ascii", "replace")


def _unpacked(what: str, data: bytes, order: ByteOrder) -> bytes:
    unpacker = zlib.decompressobj()
    tag = unpacker.decompress(data, 8)
    kind, size = np.frombuffer(tag, f"{order}u4").tolist()
    if kind != _MATRIX:
        raise ValueError("no array inside a packed element")
    check_memory(what, size)
    body = unpacker.decompress(unpacker.unconsumed_tail, size)
    rest = unpacker.decompress(unpacker.unconsumed_tail, 1)
    if len(body) != size or rest or not unpacker.eof:
        raise ValueError(f"{len(body):,} bytes where {size:,} are promised")
    return body


class _Elements:
    """The elements inside an array, one after the other."""

    def __init__(self, body: bytes, order: ByteOrder) -> None:
        self._body, self._order, self._place = body, order, 0

    def next(self) -> tuple[int, bytes]:
        """Returns the next one's type and bytes."""
        tag = self._body[self._place : self._place + 8]
        kind, size = np.frombuffer(tag, f"{self._order}u4").tolist()
        start = self._place + 8
        if kind >> 16:  # up to 4 bytes stand in the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, self._place + 4
            self._place += 8
        else:
            self._place = start + size + -size % 8
        if start + size > len(self._body) or (start == self._place - 4 and size > 4):
            raise EOFError("an element is longer than what holds it")
        return kind, self._body[start : start + size]
