"""Standard streams: errors in two lines, and no full disk or broken pipe that ends a command.

Nothing here needs more than rich, so that an error is told whatever is missing.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from reid_srdl.texts import plain


def print_error(what: str, hint: str) -> None:
    """Prints two lines on standard error; nothing in them is markup or a command to a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text("error: ", style="bold red") + Text(plain(what)))
    console.print(Text("hint:  ", style="bold cyan") + Text(plain(hint)))


class _Steady:
    """A stream that drops what its full or broken disk does not take: a log ends no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            raise
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError:
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def steady_streams() -> Iterator[None]:
    """Lets no letter that a terminal lacks, and no full disk below its log, end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with contextlib.redirect_stderr(cast(TextIO, _Steady(sys.stderr))):
        yield


def drop_output() -> None:
    """Keeps the interpreter from writing to a broken stream once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
