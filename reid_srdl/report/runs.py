"""Folders of runs as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from reid_srdl.errors import UserError
from reid_srdl.report.say import say, show_json, tell
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import bytes_told


class Sized(Protocol):
    """A file or folder with its size in bytes."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...


class Folder(Sized, Protocol):
    """A folder with its state."""

    @property
    def state(self) -> str: ...


def runs_table(found: Sequence[Folder], title: str) -> Table:
    """Returns a row for each folder."""
    columns = (Column("run", "run"), Column("state", "state"), Column("size", "size", "number"))
    rows = (
        Row({"run": str(one.path), "state": one.state, "size": bytes_told(one.size)})
        for one in found
    )
    total = bytes_told(sum(one.size for one in found))
    folders = "1 folder" if len(found) == 1 else f"{len(found):,} folders"
    return Table(f"{title}: {folders}, {total}", columns, tuple(rows))


def runs_json(found: Sequence[Folder]) -> list[dict[str, object]]:
    """Returns the same as plain values, sizes in bytes."""
    return [{"run": str(one.path), "state": one.state, "size": one.size} for one in found]


class Wrong(Protocol):
    """What is wrong with a file."""

    @property
    def what(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def repaired(self) -> bool: ...


def print_problems(
    run: Path, found: Sequence[Wrong], runs: int | None = None, *, as_json: bool = False
) -> None:
    """Prints what is wrong with a run's files, or that nothing is; or all of it as JSON alone.

    Args:
        run: its folder, or that of all runs.
        found: what is wrong.
        runs: how many there are below a folder of runs; None: it is one run.
        as_json: see above.

    Raises:
        UserError: something is left that is wrong.
    """
    if as_json:
        keys = ("what", "hint", "repaired")
        problems = [{key: getattr(one, key) for key in keys} for one in found]
        show_json({"run": str(run), "problems": problems})
    for problem in () if as_json else found:
        say(f"{problem.what}{': repaired' if problem.repaired else ''}")
        if not problem.repaired:
            tell(f"hint:  {problem.hint}")
    left = [problem for problem in found if not problem.repaired]
    if left:
        count = "1 file is" if len(left) == 1 else f"{len(left)} files are"
        raise UserError(f"{run}: {count} not what the run wrote", left[0].hint)
    if not as_json:
        told = "" if runs is None else f"{runs:,} run{'' if runs == 1 else 's'}, "
        say(f"{run}: {told}every file is what the run wrote")


def print_freed(freed: Sequence[Sized], what: str, *, as_json: bool = False) -> None:
    """Prints files with their sizes, and the sum; or JSON alone, in bytes."""
    if as_json:
        files = [{"path": str(one.path), "size": one.size} for one in freed]
        return show_json({"files": files, "bytes": sum(one.size for one in freed)})
    for one in freed:
        say(f"{one.path}: {bytes_told(one.size)}")
    say(f"{bytes_told(sum(one.size for one in freed))} {what}")
