"""Tables as a terminal's table, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from reid_srdl.records.statistics import Measure
from reid_srdl.report.drawing import to_rich
from reid_srdl.report.tables import Column, Row, Table, Value
from reid_srdl.texts import csv_cell, json_text, plain

__all__ = ["to_csv", "to_json", "to_latex", "to_markdown", "to_rich"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # at a row's start it would be read as an option of the row above
}


def to_markdown(tables: Sequence[Table]) -> str:
    """Returns tables for Markdown, gains in bold."""
    parts: list[str] = []
    for table in tables:
        heads = [f"{column.group} {column.heading}".strip() for column in table.shown]
        rules = ["---:" if column.align == "right" else ":---" for column in table.shown]
        lines = [f"**{_markdown(table.title)}**", "", _pipes(map(_markdown, heads)), _pipes(rules)]
        for row in table.rows:
            cells = [_markdown(table.text(row, column)) for column in table.shown]
            lines.append(_pipes(f"**{cell}**" if row.gain and cell else cell for cell in cells))
        lines += [f"\n{_markdown(note)}" for note in table.notes]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _pipes(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    return re.sub(r"([\\|*_`\[\]<>#&~$])", r"\\\1", plain(text))


def to_latex(tables: Sequence[Table]) -> str:
    """Returns tables for LaTeX; they need ``\\usepackage{booktabs}``."""
    return "\n".join("\n".join(_latex_lines(table)) for table in tables)


def _latex_lines(table: Table) -> Iterator[str]:
    shown = table.shown
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{_latex(table.title)}}}"
    yield rf"\begin{{tabular}}{{{''.join(column.align[0] for column in shown)}}}"
    yield r"\toprule"
    if any(column.group for column in shown):
        yield from _latex_groups(shown)
    yield _ampersands(_latex(column.heading) for column in shown)
    yield r"\midrule"
    for index, row in enumerate(table.rows):
        if row.separator and index:
            yield r"\midrule"
        cells = [_latex(table.text(row, column)) for column in shown]
        yield _ampersands(rf"\textbf{{{cell}}}" if row.gain and cell else cell for cell in cells)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    for note in table.notes:
        yield rf"\par\footnotesize {_latex(note)}"
    yield r"\end{table}"
    yield ""


def _latex_groups(columns: Sequence[Column]) -> Iterator[str]:
    cells, rules, start = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        width = len(list(members))
        if group:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_latex(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        else:
            cells += [""] * width
        start += width
    yield _ampersands(cells)
    yield "".join(rules)


def _ampersands(cells: Any) -> str:
    return rf"{' & '.join(cells)} \\"


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in plain(text))
    return escaped.replace("¹⁶", "$^{16}$")


def to_csv(tables: Sequence[Table]) -> str:
    """Returns all rows as CSV with raw numbers; a mean takes three columns: mean, sd, n.

    The first column, ``kind``, tells rows from gains. A column that some tables lack is empty
    in their rows.
    """
    columns = tuple(_all_columns(tables))
    heads = ["kind"]
    for column in columns:
        measured = _is_measured(column)
        heads += [f"{column.key}_{part}" for part in _PARTS] if measured else [column.key]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    for table in tables:
        writer.writerows([_kind(row), *_csv_cells(row, columns)] for row in table.rows)
    return out.getvalue()


def _all_columns(tables: Sequence[Table]) -> list[Column]:
    """Returns each column once, in the order of the tables."""
    columns = {column.key: column for table in tables for column in table.columns}
    return list(columns.values())


_PARTS = ("mean", "sd", "n")


def _csv_cells(row: Row, columns: Sequence[Column]) -> Iterator[Any]:
    for column in columns:
        value = row.values.get(column.key)
        if _is_measured(column):
            yield from (getattr(value, part, None) for part in _PARTS)
        else:
            yield csv_cell(" ".join(map(str, value)) if isinstance(value, tuple) else value)


def _is_measured(column: Column) -> bool:
    return column.kind == "percent"


def _kind(row: Row) -> str:
    return "gain" if row.gain else "row"


def to_json(tables: Sequence[Table]) -> str:
    """Returns ``{"rows": [...], "gains": [...], "notes": [...]}`` with raw numbers."""
    rows = [row for table in tables for row in table.rows]
    keys = [column.key for column in _all_columns(tables)]
    tree = {
        "rows": [_json_row(row, keys) for row in rows if not row.gain],
        "gains": [_json_row(row, keys) for row in rows if row.gain],
        "notes": [note for table in tables for note in table.notes],
    }
    return json_text(tree) + "\n"


def _json_row(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    return {key: _json_value(row.values.get(key)) for key in keys}


def _json_value(value: Value) -> Any:
    return asdict(value) if isinstance(value, Measure) else value
