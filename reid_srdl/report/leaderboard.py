"""The leaderboard as tables, one for each data set, laid out like the SRDL paper's Table 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from reid_srdl.config import TaskName
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.records.board import Gain, Leaderboard
from reid_srdl.records.board import Row as BoardRow
from reid_srdl.records.statistics import Measure
from reid_srdl.report.tables import Column, Row, Table, Value

_COLUMNS = (
    Column("dataset", None),
    Column("network", "network"),
    Column("method", "method"),
    Column("method_name", None),
    Column("baseline", None),
    Column("experiment", None),
    Column("runs", None),
    Column("seeds", None),
    Column("paired", None),
    Column("parameters", "params", "millions", unit="M"),
    Column("epochs", "epochs", "count"),
    Column("trcost", "TrCost", "number", unit="10¹⁶"),
    Column("work", "work", "number", unit="10¹⁶"),
    Column("work_ratio", "x vanilla", "number"),
)
_SCORES: dict[TaskName, tuple[Column, ...]] = {
    "reid": (
        Column("single_rank1", "Rank-1", "percent", group="single"),
        Column("single_mAP", "mAP", "percent", group="single"),
        Column("multi_rank1", "Rank-1", "percent", group="multi"),
        Column("multi_mAP", "mAP", "percent", group="multi"),
    ),
    "classification": (
        Column("top1", "top-1", "percent"),
        Column("top5", "top-5", "percent"),
    ),
}
_WHAT: dict[TaskName, str] = {
    "reid": "single- and multi-query",
    "classification": "test images",
}
_LEGEND = "%: mean ± standard deviation over seeds (number of seeds)"
_COSTS = (
    "TrCost: forward passes, as in the paper; work: forward and backward; both with teachers'; "
    "x vanilla: work over that of its vanilla row"
)


def leaderboard_tables(board: Leaderboard, sort: str | None = None) -> list[Table]:
    """Turns a leaderboard into one table for each data set; its notes stand below the last.

    Args:
        board: the leaderboard.
        sort: the key of a column: scores from the highest, all else from the lowest; gains stand
            below. None: by network, vanilla first.

    Raises:
        UserError: no such column.
    """
    tables = []
    for (name, task), rows in groupby(
        board.rows, key=lambda row: (row.dataset.name, row.dataset.task)
    ):
        listed = list(rows)
        mine = tuple(_rows(listed, board.gains))
        columns = _COLUMNS + _SCORES[task] + _p_columns(board.gains, task)
        if own := sorted({row.dataset.folder for row in listed if row.dataset.folder}):
            name = f"{name} ({', '.join(own)})"
        tables.append(Table(f"{name}: {_WHAT[task]}, {_LEGEND}", columns, mine))
    if sort is not None:
        tables = [_sorted(table, sort) for table in _with(tables, sort)]
    if tables:
        last = tables[-1]
        notes = (_COSTS, *_tests(board.gains), *board.notes)
        tables[-1] = Table(last.title, last.columns, last.rows, notes)
    return tables


def _p_columns(gains: Sequence[Gain], task: TaskName) -> tuple[Column, ...]:
    """Returns columns of p-values for programs, where there are any."""
    known = {metric for gain in gains for metric in gain.p}
    scores = (column.key for column in _SCORES[task])
    return tuple(Column(f"{key}_p", None, "number") for key in scores if key in known)


def _tests(gains: Sequence[Gain]) -> Iterator[str]:
    """Yields a line for each gain that was tested."""
    titles = {column.key: column for columns in _SCORES.values() for column in columns}
    for gain in gains:
        if gain.p:
            told = ", ".join(
                f"{titles[key].group} {titles[key].title} {value:.2g}".strip()
                for key, value in gain.p.items()
            )
            where = f"{gain.row.dataset.name}, {gain.row.network}"
            pairs = len(gain.row.seeds)
            yield f"{where}: {gain.label}: p of the paired t-test over {pairs} seeds: {told}"


def _with(tables: Sequence[Table], sort: str) -> Sequence[Table]:
    known = {column.key for table in tables for column in table.columns}
    if sort not in known:
        raise UserError(f"--sort {sort}: no such column", did_you_mean(sort, known), usage=True)
    return tables


def _sorted(table: Table, sort: str) -> Table:
    """Returns a table with its rows sorted by a column, empty cells last, gains below."""

    def place(row: Row) -> tuple[bool, Any]:
        value = row.values.get(sort)
        if isinstance(value, Measure):
            return False, -value.mean
        return value is None, "" if value is None else value

    rows = sorted((row for row in table.rows if not row.gain), key=place)
    gains = [row for row in table.rows if row.gain]
    plain = [replace(row, separator=False) for row in rows]
    below = [replace(row, separator=not number) for number, row in enumerate(gains)]
    return replace(table, rows=(*plain, *below))


def _rows(rows: Sequence[BoardRow], gains: Sequence[Gain]) -> Iterator[Row]:
    for _, group in groupby(rows, key=lambda row: row.network):
        members = list(group)
        for index, row in enumerate(members):
            values = _row_values(row) | _ratio(row, gains)
            yield Row(values, separator=index == 0)
        for gain in gains:
            if gain.row in members:
                yield Row(_gain_values(gain), gain=True)


def _row_values(row: BoardRow) -> dict[str, Value]:
    """Returns the cells; what was not trained here has none for method, epochs and cost."""
    values: dict[str, Value] = {
        "dataset": row.dataset.name,
        "network": row.network,
        "method": row.label or None,
        "method_name": row.method,
        "experiment": row.experiment,
        "runs": row.runs,
        "seeds": row.seeds,
        "parameters": row.parameters,
        "epochs": row.epochs,
        "trcost": row.trcost,
        "work": row.work,
    }
    return {key: value for key, value in values.items() if value is not None} | row.scores


def _ratio(row: BoardRow, gains: Sequence[Gain]) -> dict[str, Value]:
    """Returns the true cost of a row over that of the vanilla row that it is compared with."""
    for gain in gains:
        if gain.row == row and row.work and gain.baseline.work:
            return {"work_ratio": row.work / gain.baseline.work}
    return {}


def _gain_values(gain: Gain) -> dict[str, Value]:
    return {
        "dataset": gain.row.dataset.name,
        "network": gain.row.network,
        "method": gain.label,
        "method_name": gain.row.method,
        "baseline": gain.baseline.label,
        "experiment": gain.row.experiment,
        "runs": gain.row.runs,
        "seeds": gain.row.seeds,
        "paired": gain.paired,
        **gain.scores,
        **{f"{metric}_p": value for metric, value in gain.p.items()},
    }
