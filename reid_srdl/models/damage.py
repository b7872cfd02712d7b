"""What is wrong with a file of weights that cannot be read; nothing in it is executed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from reid_srdl.places import reading

AGAIN = "fetch or copy the file again"  # what to do about a damaged one

_HEAD = 8  # bytes of the length of a safetensors file's head
_LARGEST_HEAD = 100 * 2**20  # bytes; safetensors itself reads none that is longer
_LFS = b"version https://git-lfs"
_OTHERS = {
    _LFS: "a pointer of git-lfs, not the file that it stands for",
    b"<": "a web page, not a file of weights",
    b"\x1f\x8b": "a gzip archive, not a file of weights",
}


def damage(path: Path, *, safetensors: bool) -> str | None:
    """Returns what is wrong with the bytes of a safetensors file, or of one that PyTorch wrote.

    What PyTorch writes is a zip archive, whose checksums it does not compare; here they are.

    Returns:
        None where nothing is seen: what it holds is then something else than weights.

    Raises:
        FileError: the operating system refuses.
    """
    with reading(path, "the weights"):
        with path.open("rb") as file:
            head = file.read(64)
        size = path.stat().st_size
        if not size:
            return "an empty file"
        for start, told in _OTHERS.items():
            if head.lstrip().startswith(start):
                return told
        return _of_safetensors(path, size) if safetensors else _of_zip(path, head)


def _of_safetensors(path: Path, size: int) -> str | None:
    """Compares the size with what the head says of the tensors' places."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEAD), "little")
        if size < _HEAD:
            return f"cut short: {size} bytes"
        if length > _LARGEST_HEAD:
            return "damaged, or not a safetensors file: its first bytes are no head"
        head = file.read(length)
    if len(head) < length:
        return f"cut short: {size:,} bytes, of which its head alone takes {length + _HEAD:,}"
    try:
        entries = json.loads(head)
        ends = [int(entry["data_offsets"][1]) for entry in _tensors(entries)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "damaged: its head is no list of tensors"
    whole = _HEAD + length + max(ends, default=0)
    if size != whole:
        what = "cut short" if size < whole else "longer than it should be"
        return f"{what}: {size:,} of {whole:,} bytes"
    return None


def _tensors(entries: dict[str, dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    return [entry for name, entry in entries.items() if name != "__metadata__"]


def _of_zip(path: Path, head: bytes) -> str | None:
    """Compares each member with its checksum; files of before PyTorch 1.6 have none."""
    if not head.startswith(b"PK"):
        return None
    if not zipfile.is_zipfile(path):
        return "cut short: the list at its end is missing"
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError):
        return "damaged: its list of members is not what it should be"
    return f"damaged: {wrong} in it does not have its checksum" if wrong else None
