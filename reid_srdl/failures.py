"""Any exception as one that tells what is wrong, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

from reid_srdl.errors import FileError, UserError
from reid_srdl.texts import shown

_AGAIN = "run again with --debug and report it"


def in_words(error: Exception) -> UserError:
    """Returns the error for people; what nobody foresaw is called an internal error."""
    if isinstance(error, UserError):
        return error
    name = type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        named = isinstance(error.filename, str | bytes)
        path = os.fsdecode(error.filename) if named else "a file or standard output"
        return FileError(error, Path(path), "read or write it")
    if isinstance(error, MemoryError):
        return UserError("out of memory", "close other programs, or take smaller batches or sizes")
    if name == "OutOfMemoryError":
        return UserError("the GPU is out of memory", "take a smaller --batch-size, or another GPU")
    if isinstance(error, RecursionError):
        return UserError("something is nested too deeply", f"look at what you gave, or {_AGAIN}")
    if isinstance(error, EOFError):
        what = f"a file ends too early ({_message(error)})" if str(error) else "a file is cut short"
        return UserError(what, f"fetch or write it again; for its name {_AGAIN}")
    if isinstance(error, UnicodeError):
        text = shown(getattr(error, "object", ""), 120)
        return UserError(f"a name or text that is not UTF-8: {text}", "rename it, or save as UTF-8")
    if isinstance(error, ImportError):
        return UserError(_message(error), "install reid-srdl again with pip; see reid-srdl doctor")
    return UserError(f"internal error: {name}: {_message(error)}", _AGAIN)


def _message(error: Exception) -> str:
    return shown(" ".join(str(error).split()), 300)
