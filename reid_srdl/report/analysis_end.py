"""How an analysis ends: everything is shown before a file that could not be written is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from reid_srdl.errors import FileError
from reid_srdl.report.say import present, tell_all
from reid_srdl.report.tables import Table


@dataclass(frozen=True)
class Shown:
    """Shows what was found.

    Attributes:
        as_json: print JSON alone.
        refused: takes the records that could not be written.
    """

    as_json: bool
    refused: list[FileError] = field(default_factory=list)

    def show(self, records: Sequence[BaseModel], table: Table, files: Sequence[Path]) -> None:
        """Prints the table or, as a list, the records; says where those stand."""
        tree = [record.model_dump(mode="json") for record in records]
        present(table, tree, as_json=self.as_json)
        missing = {error.filename for error in self.refused}
        tell_all("written", (file for file in dict.fromkeys(files) if str(file) not in missing))

    def end(self, figures: Sequence[Path] = ()) -> None:
        """Says where figures stand, and ends with the first record that could not be written.

        Raises:
            FileError: there is one.
        """
        tell_all("written", figures)
        if self.refused:
            raise self.refused[0]
