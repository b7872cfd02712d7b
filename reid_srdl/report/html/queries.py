"""What became of single queries: CMC, how average precision spreads, which cameras are hard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reid_srdl.report.html.charts import Chart, Series, distribution, heat_map, lines
from reid_srdl.report.html.page import Section
from reid_srdl.report.html.query_summary import RANKS
from reid_srdl.report.html.runs import Entry
from reid_srdl.report.html.training import MOST
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.retrieval.kept import CameraFigures

_MAPS = 8  # heat maps of the page


def queries_section(found: Sequence[Entry]) -> Section | None:
    """Returns what is known of single queries; None where nothing is."""
    charts = [*_per_dataset(found), *_camera_maps(found)]
    if not charts:
        return None
    intro = (
        "CMC: the share of queries with a match among the first k; bands reach over seeds. A cell "
        "of a camera map is the evaluation of one camera's queries in the gallery of one camera."
    )
    return Section("queries", "Queries", intro, charts=charts, tables=_cmc_tables(found))


def _spread(entry: Entry) -> NDArray[np.int64]:
    """Returns numbers of queries by average precision, of all seeds together."""
    counts: NDArray[np.int64] = np.sum([one.spread for one in entry.queries], axis=0)
    return counts


def _with_queries(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Returns the entries that keep their queries, by data set."""
    by_dataset: dict[str, list[Entry]] = {}
    for entry in found:
        if entry.queries:
            by_dataset.setdefault(entry.row.dataset.name, []).append(entry)
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


def _camera_maps(found: Sequence[Entry]) -> Iterator[Chart]:
    drawn = 0
    for entry in found:
        if drawn == _MAPS:
            return
        kept = [run.ranks() for run in entry.runs]
        tables = [one.cameras for one in kept if one is not None and one.cameras is not None]
        if not tables:
            continue
        alike = [one for one in tables if _same_cameras(one, tables[0])]
        drawn += 1
        yield _camera_map(entry, alike)


def _same_cameras(one: CameraFigures, other: CameraFigures) -> bool:
    return one.mAP.shape == other.mAP.shape and bool((one.gallery == other.gallery).all())


def _camera_map(entry: Entry, tables: Sequence[CameraFigures]) -> Chart:
    first = tables[0]
    known = [~np.isnan(one.mAP) for one in tables]
    count = np.sum(known, axis=0)
    total = np.sum([np.nan_to_num(one.mAP) for one in tables], axis=0)
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    ranks = np.sum([np.nan_to_num(one.rank1) for one in tables], axis=0) / np.maximum(count, 1)
    told = [
        [
            f"queries of camera {q}, gallery of camera {g}: "
            + (
                f"mAP {100 * values[i, j]:.1f} %, Rank-1 {100 * ranks[i, j]:.1f} %, "
                f"{first.queries[i, j]:,} queries"
                if count[i, j]
                else "nothing to score"
            )
            for j, g in enumerate(first.gallery.tolist())
        ]
        for i, q in enumerate(first.query.tolist())
    ]
    rows, columns = (list(map(str, side.tolist())) for side in (first.query, first.gallery))
    title = f"{entry.row.dataset.name}, {entry.name}: mAP by cameras (%)"
    return heat_map(title, rows, columns, values, told, "The fullest colour is the highest cell.")
