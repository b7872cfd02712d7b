"""What an import came to."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.records.run import ImportedRecord
from reid_srdl.report.say import say, tell_all


def print_imported(record: ImportedRecord, folder: Path) -> None:
    """Prints what a network is, and what of its file was left out or assumed."""
    data = record.config["data"]
    assert isinstance(data, dict)
    tell_all("note", record.imported.notes)
    say(
        f"{record.name}: {record.model} of {record.imported.code}, {record.parameters:,} "
        f"parameters, for images of {data['height']} x {data['width']} pixels"
    )
    say(f"record: {folder / 'record.json'}")
