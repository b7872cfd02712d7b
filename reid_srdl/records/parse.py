"""Reads files of typed records back, and says in words what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from reid_srdl.errors import FileError, UserError
from reid_srdl.places import check_no_pipe
from reid_srdl.records.part import RecordPart
from reid_srdl.seals import check_seal, is_sealed, way_out

SCHEMA_VERSION = 2
R = TypeVar("R", bound=RecordPart)


def read_text(path: Path) -> str:
    """Returns a record's text.

    Raises:
        FileNotFoundError: there is no such file.
        FileError: the operating system refuses; the file may be whole.
        UserError: it is no text, or a pipe.
    """
    check_no_pipe(path)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileError(error, path, "read this file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file", way_out(path)) from None


def read_tree(path: Path, text: str) -> dict[str, Any]:
    """Returns a record's keys, having seen that it is of this version.

    Raises:
        UserError: it is no JSON, no record, or of another version.
    """
    try:
        tree = from_json(text)
    except ValueError:
        raise UserError(f"{path}: damaged, not valid JSON", way_out(path)) from None
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if not isinstance(version, int):
        raise UserError(f"{path}: not a record of a run", "give a folder that reid-srdl wrote")
    if version > SCHEMA_VERSION:
        what = f"{path}: written by a newer reid-srdl (schema_version {version})"
        raise UserError(what, "update reid-srdl to read it")
    if version < SCHEMA_VERSION:
        what = f"{path}: written by an older reid-srdl (schema_version {version})"
        raise UserError(what, "run it again: records of before are not read")
    known: dict[str, Any] = tree
    return known


def parse(path: Path, text: str, kind: type[R]) -> R:
    """Returns a record of a kind.

    Raises:
        UserError: what it holds is no such record, the first fault is named; or it does not have
            its checksum. One that has it was written so, by another version.
    """
    try:
        record = kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        more = f" and {error.error_count() - 1} more" if error.error_count() > 1 else ""
        wrong = f"{where}: {first['msg']}{more}"
        if _is_whole(path):  # what wrote it has other keys
            raise UserError(
                f"{path}: written by another version of reid-srdl ({wrong})",
                "read it with that version; tools/rekey.py brings records to this one",
            ) from None
        raise UserError(f"{path}: damaged: {wrong}", way_out(path)) from None
    check_seal(path)
    return record


def _is_whole(path: Path) -> bool:
    """Says whether a file is known to be what was written."""
    try:
        check_seal(path)
    except UserError:
        return False
    return is_sealed(path)
