"""Files that strangers made: whatever is wrong with one is told by its name, and nothing hangs.

Readers raise all sorts on damaged or hostile files: NumPy's header parser alone has SyntaxError,
tokenize.TokenError, ValueError, OverflowError and MemoryError. So there is one rule for all of
them: `reading` turns every error into a `UserError` that names the file and the part of it.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reid_srdl.errors import UserError

AGAIN = "write the file again"


@contextmanager
def reading(what: str, kind: str, hint: str = AGAIN) -> Iterator[None]:
    """Tells any error of a reader as one about ``what``; its warnings are dropped.

    Args:
        what: the file, and the part of it that is read.
        kind: what it should be, e.g. ``.npz``.
        hint: what to do.

    Raises:
        UserError: so.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as error:  # see above
        raise UserError(f"{what}: cannot be read as {kind} ({_line(error)})", hint) from None


def check_plain(path: Path, hint: str) -> int:
    """Returns a file's size in bytes.

    Raises:
        UserError: there is none, or it is a folder, a pipe or a device, which might never end.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", hint) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({_line(error)})", hint) from None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: no plain file, but {_kind(found.st_mode)}", hint)
    return found.st_size


def is_folder(path: Path) -> bool:
    """Says whether ``path`` is a folder; a name that cannot be one is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises on names that are too long


def check_memory(what: str, size: int) -> None:
    """Checks that ``size`` bytes fit into this machine's memory.

    Raises:
        UserError: they do not.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return  # not everywhere
    if size > memory:
        raise UserError(
            f"{what}: would take {size / 1e9:,.1f} GB, this machine has {memory / 1e9:,.1f} GB",
            "give a folder of .npy files, whose gallery may be larger than memory",
        )


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return ascii((str(error).strip() or type(error).__name__).splitlines()[0][:200])[1:-1]
