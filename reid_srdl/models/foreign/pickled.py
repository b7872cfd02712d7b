"""Which classes and functions a PyTorch file would call: its opcodes are read, none is run."""

from __future__ import annotations

import pickletools
import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

# What is in any state dictionary, and the numbers beside it.
_KNOWN = re.compile(r"(torch\._utils|torch\.storage|collections|_codecs|numpy.*)\..*|torch\.\w+")
_LEGACY = 4  # pickles in a file of before torch 1.6: a magic number, a version, a system, and it

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
    for opcode, argument, _ in islice(pickletools.genops(file), 10**7):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif isinstance(argument, str):
            texts = [*texts[-1:], argument]
