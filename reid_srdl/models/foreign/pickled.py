"""Which classes and functions a PyTorch file would call: its opcodes are read, none is run."""

from __future__ import annotations

import pickletools
import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

# What is in any state dictionary, and the numbers beside it.
_KNOWN = re.compile(r"(torch\._utils|torch\.storage|collections|_codecs|numpy.*)\..*|torch\.\w+")
_LEGACY = 4  # pickles in a file of before torch 1.6: a magic number, a version, a system, and it
_MAGIC = 0x1950A86A20F9469CFC6C  # the first of them, as torch.serialization has it

_PUT = ("PUT", "BINPUT", "LONG_BINPUT")
_GET = ("GET", "BINGET", "LONG_BINGET")
_OF_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error)  # damaged archives


def globals_of(path: Path) -> list[str]:
    """Returns the names of what a file would call, but for what every file of tensors does.

    The order is the file's; a file of another kind has none.
    """
    try:
        names = list(_in_zip(path) if zipfile.is_zipfile(path) else _in_legacy(path))
    except (*_OF_ZIP, ValueError, OSError, EOFError, IndexError, KeyError, UnicodeDecodeError):
        return []
    return [name for name in dict.fromkeys(names) if not _KNOWN.fullmatch(name)]


def protocol_of(path: Path) -> tuple[int, bool] | None:
    """Returns by which protocol a file is pickled, and whether torch.save wrote it.

    Protocols 0 and 1 do not say which they are: 1. None: the file is no pickle.
    """
    try:
        if not zipfile.is_zipfile(path):
            argument: Any
            protocol, by_torch = 1, False
            with path.open("rb") as file:
                for opcode, argument, _ in pickletools.genops(file):
                    protocol = argument if opcode.name == "PROTO" else protocol
                    by_torch = by_torch or argument == _MAGIC
            return protocol, by_torch
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(name) as file:
                opcode, argument, _ = next(pickletools.genops(file))
                return argument if opcode.name == "PROTO" else 1, True
    except (*_OF_ZIP, ValueError, OSError, EOFError, IndexError, KeyError, StopIteration):
        return None


def _in_zip(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("data.pkl"):
                with archive.open(name) as file:
                    yield from _named(file)


def _in_legacy(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for _ in range(_LEGACY):
            yield from _named(file)


def _named(file: IO[bytes]) -> Iterator[str]:
    texts: list[str] = []  # of which protocol 4 takes the last two
    memo: dict[int, str | None] = {}  # what it says once and fetches again
    top: str | None = None
    argument: Any
    for opcode, argument, _ in islice(pickletools.genops(file), 10**7):
        if opcode.name == "MEMOIZE":
            memo[len(memo)] = top
        elif opcode.name in _PUT:
            memo[int(argument)] = top
        elif opcode.name in ("GLOBAL", "STACK_GLOBAL"):
            parts = argument.split(" ", 1) if opcode.name == "GLOBAL" else texts[-2:]
            yield ".".join(parts)
            top = None
        else:
            top = memo.get(argument) if opcode.name in _GET else argument
            top = top if isinstance(top, str) else None
            texts = texts if top is None else [*texts[-1:], top]
