"""What became of single queries: CMC, how average precision spreads, which cameras are hard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reid_srdl.report.html.camera_maps import camera_maps
from reid_srdl.report.html.charts import Chart, Series, distribution, lines
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.query_summary import RANKS
from reid_srdl.report.html.runs import Entry
from reid_srdl.report.html.training import MOST
from reid_srdl.report.tables import Column, Row, Table


def queries_section(found: Sequence[Entry]) -> Section | None:
    """Returns what is known of single queries; None where nothing is."""
    maps, without = camera_maps(found)
    charts = [*_per_dataset(found), *maps]
    if not charts:
        return None
    intro = (
        "CMC: the share of queries with a match among the first k; bands reach over seeds. A cell "
        "of a camera map is the evaluation of one camera's queries in the gallery of one camera."
    )
    tables = _cmc_tables(found)
    return Section("queries", "Queries", intro, charts=charts, tables=tables, notes=without)


def _spread(entry: Entry) -> NDArray[np.int64]:
    """Returns numbers of queries by average precision, of all seeds together."""
    counts: NDArray[np.int64] = np.sum([one.spread for one in entry.queries], axis=0)
    return counts


def _with_queries(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Returns the entries that keep their queries, by data set."""
    by_dataset: dict[str, list[Entry]] = {}
    for entry in found:
        if entry.queries:
            by_dataset.setdefault(entry.dataset, []).append(entry)
    return by_dataset


def _per_dataset(found: Sequence[Entry]) -> Iterator[Chart]:
    for dataset, own in _with_queries(found).items():
        note = f"The first {MOST} of {len(own):,} rows." if len(own) > MOST else ""
        series = []
        for entry in own[:MOST]:
            table = np.stack([one.cmc for one in entry.queries])
            band = (table.min(axis=0), table.max(axis=0)) if len(table) > 1 else (None, None)
            ranks = np.arange(1, RANKS + 1, dtype=np.float64)
            series.append(Series(entry.name, ranks, table.mean(axis=0), *band))
        yield lines(f"{dataset}: cumulative matching characteristic", series, "rank k", "%", note)
        spread = []
        for entry in own[:MOST]:
            spread.append((entry.name, _spread(entry)))
        title = f"{dataset}: average precision of single queries"
        yield distribution(title, spread, "average precision, %", "Queries of all seeds together.")


def _cmc_tables(found: Sequence[Entry]) -> list[Table]:
    tables = []
    chosen = (1, 5, 10, 20)
    columns = (
        Column("name", "network and method"),
        *(Column(f"k{k}", f"Rank-{k}", "number", "%") for k in chosen),
        Column("low", "AP below 10", "number", "% of queries"),
    )
    for dataset, own in _with_queries(found).items():
        rows = []
        for entry in own:
            share = np.mean([one.cmc for one in entry.queries], axis=0)
            spread = _spread(entry)
            low = 100 * float(spread[: len(spread) // 10].sum() / spread.sum())
            told = {f"k{k}": f"{share[k - 1]:.1f}" for k in chosen}
            rows.append(Row({"name": entry.name, **told, "low": f"{low:.1f}"}))
        tables.append(Table(f"{dataset}: single queries, means over seeds", columns, tuple(rows)))
    return tables
