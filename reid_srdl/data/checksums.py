"""Checksums of large files: of each stretch, so that threads share the work.

blake2b runs at about 1 GB/s a core, and reading does no harm: who opens decoded images goes on to
read them all. A file that was found sound is not read again by the same process while it stays the
same file.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reid_srdl.data.file_digests import Signature, signature
from reid_srdl.machine import available_cores

_STRETCH = 2**24  # bytes


def checksums(path: Path) -> list[str]:
    """Returns the digests of a file's stretches of 16 MiB, in order.

    Raises:
        OSError: the file can't be read.
    """
    stretches = range(0, max(1, path.stat().st_size), _STRETCH)
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(functools.partial(_digest, path), stretches))


def is_sound(path: Path, known: Sequence[str]) -> bool:
    """Says whether a file has the checksums that it was written with.

    Raises:
        OSError: the file can't be read.
        UserError: it is not there.
    """
    return _is_sound(path, signature(path), tuple(known))


@functools.lru_cache(maxsize=64)
def _is_sound(path: Path, _: Signature, known: tuple[str, ...]) -> bool:
    return tuple(checksums(path)) == known


def _digest(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.blake2b(file.read(_STRETCH), digest_size=16).hexdigest()
