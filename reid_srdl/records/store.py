"""Records on disk: ``record.json`` in each run's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from reid_srdl.errors import UserError
from reid_srdl.files import write_text
from reid_srdl.records.run import SCHEMA_VERSION, RunRecord

RECORD = "record.json"
CONFIG = "config.yaml"  # what a run's folder holds from its first moment
_WHERE = "train one with reid-srdl train, or name the folder that holds your runs"


def write_record(folder: Path, record: RunRecord) -> Path:
    """Writes ``folder/record.json``, whole or not at all, and returns its path.

    One file holds everything, so that a reader never pairs scores with another's per-query
    results; these stand last, each array on one line, and the rest stays readable.
    """
    path = folder / RECORD
    body = record.model_dump(mode="json", exclude={"per_query"})
    rows = [
        f"    {json.dumps(name)}: {arrays.model_dump_json()}"
        for name, arrays in record.per_query.items()
    ]
    per_query = "{\n" + ",\n".join(rows) + "\n  }" if rows else "{}"
    head = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    write_text(path, f'{head},\n  "per_query": {per_query}\n}}\n')
    return path


def read_record(folder: Path) -> RunRecord:
    """Reads the record of one run.

    Args:
        folder: the run's folder, or its ``record.json``.

    Raises:
        UserError: no such folder, an unfinished run, or a damaged, foreign or newer record.
    """
    path = folder if folder.name == RECORD else folder / RECORD
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _absent(folder, path) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UserError(f"{path}: {reason}", "restore the file, or run again") from None
    return _parse(path, text)


def read_records(runs: Path) -> tuple[list[RunRecord], list[str]]:
    """Reads every record at or below a folder, in the order of their paths.

    Args:
        runs: a folder of runs, one run's folder, or a tree of such folders (``results/``).

    Returns:
        The records, and the problems: one line for each record that could not be read, and one
        that counts the unfinished runs.

    Raises:
        UserError: no such folder, or no finished run in it.
    """
    if not runs.is_dir():
        raise UserError(f"{runs}: no such folder", _WHERE)
    if (runs / RECORD).exists():
        return [read_record(runs)], []
    records, problems, unfinished = [], [], []
    for folder in run_folders(runs):
        if not (folder / RECORD).exists():
            unfinished.append(folder.name)
            continue
        try:
            records.append(read_record(folder))
        except UserError as error:
            problems.append(f"{error.what} (left out)")
    if unfinished:
        count = f"{len(unfinished)} unfinished run{'s' if len(unfinished) > 1 else ''}"
        problems.append(f"{runs}: {count} left out: {', '.join(unfinished)}")
    if not records:
        found = f": {'; '.join(problems)}" if problems else ""
        raise UserError(f"{runs}: no finished run in it{found}", _WHERE)
    return records, problems


def run_folders(top: Path) -> Iterator[Path]:
    """Yields the folder of each run at or below ``top``, finished or not, by path."""
    for name, folders, files in os.walk(top):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        if RECORD in files or CONFIG in files:
            folders.clear()  # nothing below a run's folder is another run
            yield Path(name)


def _absent(folder: Path, path: Path) -> UserError:
    if not folder.exists():
        return UserError(f"{folder}: no such run", "give the folder of a finished run")
    if (folder / CONFIG).exists():
        return UserError(
            f"{folder}: the run is not finished", f"go on with reid-srdl train --resume {folder}"
        )
    return UserError(f"{path}: no such record", "give the folder of a finished run")


def _parse(path: Path, text: str) -> RunRecord:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(
            f"{path}: damaged, not valid JSON", "restore the file, or run again"
        ) from None
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if version is None:
        raise UserError(f"{path}: not a record of a run", "give a folder that reid-srdl wrote")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        what = f"{path}: written by a newer reid-srdl (schema_version {version})"
        raise UserError(what, "update reid-srdl to read it")
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        more = f" and {error.error_count() - 1} more" if error.error_count() > 1 else ""
        what = f"{path}: damaged: {where}: {first['msg']}{more}"
        raise UserError(what, "restore the file, or run again") from None
