"""How an evaluation ends: every score is shown before a file that could not be written is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_srdl.errors import FileError
from reid_srdl.report.say import present, say, show, tell_all
from reid_srdl.report.tables import Table


@dataclass(frozen=True)
class EvaluationEnd:
    """What an evaluation found.

    Attributes:
        table: the scores; ``more`` stand below it.
        tree: the scores as JSON.
        kept: the records.
        warnings: what is told before the scores.
        files: what is written last, each by its function.
        refused: records that could not be written.
        pictures: draws pictures, and returns their files and what could not be drawn.
    """

    table: Table
    tree: Any
    kept: Sequence[Path]
    more: Sequence[Table] = ()
    warnings: Sequence[str] = ()
    files: Mapping[Path, Callable[[Path], None]] = field(default_factory=dict)
    refused: Sequence[FileError] = ()
    pictures: Callable[[], tuple[Sequence[Path], Sequence[str]]] | None = None

    def show(self, *, as_json: bool) -> None:
        """Prints the scores as tables or as JSON alone, and writes the files.

        Raises:
            FileError: one of them could not be written.
        """
        tell_all("warning", self.warnings)
        present(self.table, self.tree, as_json=as_json)
        show(*(() if as_json else self.more))
        tell_all("note", (f"{error.what}; nothing was recorded" for error in self.refused))
        for path in () if as_json or self.refused else self.kept:
            say(f"record: {path}")
        for path, write in self.files.items():
            write(path)
        tell_all("written", self.files)
        if self.pictures is not None:
            drawn, notes = self.pictures()
            tell_all("note", notes)
            tell_all("written", drawn)
