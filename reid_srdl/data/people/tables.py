"""Tables of images, .csv or .parquet: a row for each, with a path, a person, and what is known."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from reid_srdl.data.notes import Finding, first_ten, printable
from reid_srdl.data.people.folders import Patterns, check_camera
from reid_srdl.data.people.rows import KINDS, NONE, SPLITS, Rows
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.places import check_no_pipe

CSV, PARQUET = ".csv", ".parquet"
REQUIRED = ("path", "person")
COLUMNS = (*REQUIRED, "camera", "split", "sequence", "kind")

_HEADER = f"name the columns in the first line: {', '.join(COLUMNS)}; the first two are needed"
_DELIMITERS = ",;\t"

_Line = Sequence[str]
_Lines = Iterable[tuple[int, _Line]]  # the number of each row, and its cells


def read_table(file: Path, patterns: Patterns) -> Rows:
    """Reads the rows of a table, a piece at a time; looks at no image.

    Args:
        file: CSV as UTF-8, its columns parted by commas, semicolons or tabs; or Parquet.
        patterns: ``camera`` is searched in paths where the table has no such column.

    Raises:
        UserError: the file can't be read, has no header, rows of unlike lengths, a row without path
            or person, or with an unknown split or kind.
    """
    if patterns.person is not None:
        raise UserError(
            f"data.person: a pattern, where {file.name} has a column for it",
            "leave data.person out",
            usage=True,
        )
    check_no_pipe(file)
    if file.suffix.lower() == PARQUET:
        return _read_parquet(file, patterns)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=_delimiter(lines), strict=True)
            header = next(reader, [])
            return _rows(file, header, ((reader.line_num, line) for line in reader), patterns)
    except UnicodeDecodeError as error:
        raise _unreadable(file, f"not UTF-8 ({error.reason})", "save it as UTF-8") from None
    except csv.Error as error:
        raise _unreadable(file, f"line {reader.line_num}: {error}", "mend its quotes") from None
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error), "make it readable") from None


def _delimiter(lines: Any) -> str:
    """Returns what parts the columns in the first line."""
    first = lines.readline()
    lines.seek(0)
    return next((sign for sign in _DELIMITERS if sign in first), ",")


def _read_parquet(file: Path, patterns: Patterns) -> Rows:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(
            f"{file}: reading Parquet needs pyarrow", "pip install 'reid-srdl[tables]'"
        ) from None
    try:
        with parquet.ParquetFile(file) as table:
            header = table.schema_arrow.names
            known = [name for name in header if name.strip().lower() in COLUMNS]
            return _rows(file, header, _parquet_lines(file, table, known), patterns)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0] or "damaged"
        raise _unreadable(file, reason, "write it again") from None


def _parquet_lines(file: Path, table: Any, known: list[str]) -> Iterator[tuple[int, _Line]]:
    """Yields rows as text, what is not told or not read as no text."""
    names, number = table.schema_arrow.names, 0
    for batch in table.iter_batches(columns=known):
        cells = [[""] * len(batch)] * len(names)
        for name in known:
            cells[names.index(name)] = _texts(file, name, batch[name])
        for line in zip(*cells, strict=True):
            number += 1
            yield number, line


def _texts(file: Path, column: str, values: Any) -> list[str]:
    """Returns N values of a column as text.

    Raises:
        UserError: they are lists or structures, or bytes that are no text.
    """
    import pyarrow

    try:
        found: list[str] = values.cast(pyarrow.string()).fill_null("").to_pylist()
    except (pyarrow.ArrowException, UnicodeDecodeError):
        what = f"column {printable(column)!r} holds {values.type}, which is no text in each row"
        raise _unreadable(file, what, "write it as text") from None
    return found


def _rows(file: Path, header: Sequence[str], lines: _Lines, patterns: Patterns) -> Rows:
    columns, notes = _columns(file, header)
    if "camera" in columns and patterns.camera is not None:
        raise UserError(
            f"data.camera: a pattern, where {file.name} has a column for it",
            "leave one of the two out",
            usage=True,
        )
    rows = Rows(file.parent, file, notes=notes)
    splits = {"": NONE, **{name: number for number, name in enumerate(SPLITS)}}
    kinds = {"": NONE, **{name: number for number, name in enumerate(KINDS)}}
    below = os.path.join(os.path.abspath(file.parent), "")  # noqa: PTH100, PTH118 - no link followed
    cells = itemgetter(*(columns.get(name, len(header)) for name in COLUMNS))
    for number, line in lines:
        if not line:
            continue  # an empty line
        if len(line) != len(header):
            what = f"{len(line)} cells, where the header has {len(header)}"
            raise _unreadable(file, f"line {number}: {what}", "mend the line, or quote its cells")
        path, person, camera, split, sequence, kind = cells((*line, ""))
        if split not in splits:
            raise _unknown(file, number, "split", split, SPLITS)
        if kind not in kinds:
            raise _unknown(file, number, "kind", kind, KINDS)
        if not path or not (person or kind):
            what = "path" if not path else "person"
            raise _unreadable(file, f"line {number}: no {what}", "fill it in, or remove the line")
        path = _plain(path, below)
        rows.add(
            path,
            "" if kind else person,
            camera or patterns.camera_of(path),
            sequence=sequence,
            split=splits[split],
            kind=kinds[kind],
        )
    if not rows.paths:
        raise _unreadable(file, "no rows", "write a row for each image")
    check_camera(file, patterns, rows)
    return rows


def _columns(file: Path, header: Sequence[str]) -> tuple[dict[str, int], tuple[Finding, ...]]:
    """Returns where the known columns stand, and a note of the others."""
    names = [name.strip().lower() for name in header]
    if missing := [name for name in REQUIRED if name not in names]:
        told = first_ten([printable(name) for name in header]) or "nothing"
        what = f"no header with {' and '.join(missing)}: its first line is {told}"
        raise _unreadable(file, what, _HEADER)
    if twice := sorted({name for name in names if name in COLUMNS and names.count(name) > 1}):
        raise _unreadable(file, f"columns that stand twice: {', '.join(twice)}", "keep one of each")
    others = [printable(name) for name in names if name not in COLUMNS]
    note = Finding(f"{file.name}: columns that are not read", tuple(others))
    return {name: names.index(name) for name in COLUMNS if name in names}, (note,) * bool(others)


def _plain(path: str, below: str) -> str:
    """Returns a path without detours, from the table's folder on, so that one image has one path.

    Args:
        path: as it is told.
        below: the table's folder, with the / behind it.
    """
    if path.startswith(("./", "../")) or "/." in path or "//" in path:
        path = os.path.normpath(path)
        if path.startswith("../"):
            path = os.path.normpath(below + path)
    return path.removeprefix(below)


def _unknown(file: Path, number: int, what: str, name: str, known: Sequence[str]) -> UserError:
    hint = f"{did_you_mean(name, known)} (one of {', '.join(known)}, or nothing)"
    return UserError(f"{file}: line {number}: no such {what}: {printable(name)!r}", hint)


def _unreadable(file: Path, why: str, hint: str) -> UserError:
    return UserError(f"{file}: {why}", hint)
