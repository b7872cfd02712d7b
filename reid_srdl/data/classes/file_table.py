"""A list of very many files in little memory: ImageNet's 1.28 million names take 45 MB."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import overload


class FileTable(Sequence[Path]):
    """Files by position; a path is made when it is asked for."""

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._folder_of = array("l")
        self._names = bytearray()
        self._ends = array("q", [0])

    @property
    def paths(self) -> Sequence[Path]:
        """The files, as other lists of images name them."""
        return self

    def add(self, folder: Path, names: Iterable[str]) -> None:
        """Appends files of one folder."""
        number = len(self._folders)
        self._folders.append(folder)
        encoded = [os.fsencode(name) for name in names]
        self._folder_of.extend([number] * len(encoded))
        ends = accumulate(map(len, encoded), initial=len(self._names))
        self._ends.extend(islice(ends, 1, None))
        self._names += b"".join(encoded)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yields each file's folder and name, sooner than as paths."""
        folders = [str(folder) for folder in self._folders]
        start = 0
        for number, end in zip(self._folder_of, self._ends[1:], strict=True):
            yield folders[number], os.fsdecode(bytes(self._names[start:end]))
            start = end

    def __len__(self) -> int:
        return len(self._folder_of)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        name = self._names[self._ends[index] : self._ends[index + 1]]
        return self._folders[self._folder_of[index]] / os.fsdecode(bytes(name))
