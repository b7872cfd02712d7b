"""The leaderboard on the page: seeds and intervals beside means, and gains as a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reid_srdl.records.board import Leaderboard
from reid_srdl.records.intervals import interval
from reid_srdl.records.statistics import Measure
from reid_srdl.report.html.charts import Chart, Effect, forest
from reid_srdl.report.html.page import Section, interval_key
from reid_srdl.report.leaderboard import leaderboard_tables
from reid_srdl.report.render import to_json
from reid_srdl.report.tables import Column, Row, Table, Value

_NAMES = ("network", "method")
_TITLES = {
    "single_rank1": "single-query Rank-1",
    "single_mAP": "single-query mAP",
    "multi_rank1": "multi-query Rank-1",
    "multi_mAP": "multi-query mAP",
    "top1": "top-1",
    "top5": "top-5",
}


def leaderboard_section(board: Leaderboard) -> Section:
    """Returns the leaderboard: the command's own tables, with seeds and intervals added."""
    tables = leaderboard_tables(board)
    return Section(
        "leaderboard",
        "Leaderboard",
        "Means over seeds ± sample standard deviations (number of seeds), in percent; below: their "
        "95 % intervals, Student's t. A gain is coloured where its interval leaves zero out.",
        tables=[_with_intervals(table) for table in tables],
        exact=[("The same numbers to the last digit (leaderboard --format json)", to_json(tables))],
        sorts=True,
    )


def _with_intervals(table: Table) -> Table:
    rows = tuple(replace(row, values=_values(row, table.columns)) for row in table.rows)
    columns = [
        replace(column, title="seeds") if column.key == "seeds" else column
        for column in table.columns
    ]
    # What is looked for stands beside the method; what it cost follows.
    first = [column for column in columns if column.key in _NAMES]
    scores = [column for column in columns if column.kind == "percent"]
    return replace(table, columns=tuple(dict.fromkeys([*first, *scores, *columns])), rows=rows)


def _values(row: Row, columns: Sequence[Column]) -> dict[str, Value]:
    found = dict(row.values)
    for column in columns:
        value = row.values.get(column.key)
        if isinstance(value, Measure) and (ends := interval(value)) is not None:
            sign = "+" if row.gain else ""
            found[interval_key(column)] = " to ".join(f"{100 * end:{sign}.1f}" for end in ends)
    return found


def gains_section(board: Leaderboard) -> Section | None:
    """Returns the gains over vanilla, a chart for each metric; None where there are none."""
    charts: list[Chart] = []
    for metric, title in _TITLES.items():
        effects = []
        for gain in board.gains:
            found = gain.scores.get(metric)
            if found is None:
                continue
            low, high = interval(found) or (None, None)
            told = f"{100 * found.mean:+.2f}"
            if low is not None and high is not None:
                told += f" ({100 * low:+.2f} to {100 * high:+.2f}), {found.n} seeds"
            effects.append(
                Effect(
                    f"{gain.row.dataset.name}, {gain.row.network}: {gain.label}",
                    100 * found.mean,
                    None if low is None else 100 * low,
                    None if high is None else 100 * high,
                    told,
                )
            )
        if effects:
            charts.append(forest(title, effects, "percentage points"))
    if not charts:
        return None
    intro = "Differences to vanilla, all else being equal; lines are 95 % intervals over seeds."
    return Section("gains", "Gains", intro, charts=charts)
