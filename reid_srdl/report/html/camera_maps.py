"""Scores by query and gallery camera: heat maps, or in words why there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_srdl.report.html.charts import Chart, heat_map
from reid_srdl.report.html.runs import Entry
from reid_srdl.retrieval.kept import CameraFigures, KeptRanks
from reid_srdl.retrieval.result import Evaluation, Rules

_MAPS = 8  # of the page
_NAMED = 5  # rows without one that are named
_UNKEPT = "nothing was kept of the ranking (reid-srdl eval RUN keeps it)"
_DRAWN = "each trial draws a gallery of its own"


def camera_maps(found: Sequence[Entry]) -> tuple[list[Chart], list[str]]:
    """Returns the maps of the first rows that have one, over their seeds; and what is left out.

    Returns:
        Of the rows without a map a line for each reason, which names them.
    """
    maps: list[tuple[Entry, _Means]] = []
    without: dict[str, list[str]] = {}
    asked = [entry for entry in found if entry.queries]
    more: list[str] = []
    for number, entry in enumerate(asked):
        if len(maps) == _MAPS:
            rest = len(asked) - number
            more = [f"mAP by cameras: of the first {_MAPS} rows, {rest:,} are left out"]
            break
        kept = [one for run in entry.runs if (one := run.ranks(entry.dataset)) is not None]
        if tables := [one.cameras for one in kept if one.cameras is not None]:
            maps.append((entry, _Means.of([one for one in tables if _same(one, tables[0])])))
        else:
            without.setdefault(_reason(entry, kept), []).append(f"{entry.dataset}, {entry.name}")
    return _drawn(maps), [*more, *_told(without)]


def _told(without: Mapping[str, Sequence[str]]) -> list[str]:
    lines = []
    for reason, names in without.items():
        more = f"; and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        lines.append(f"No mAP by cameras, because {reason}: {'; '.join(names[:_NAMED])}{more}")
    return lines


def _reason(entry: Entry, kept: Sequence[KeptRanks]) -> str:
    told = [one.cameras_note for one in kept if one.cameras_note]
    rules = _rules(entry)
    drawn = rules is not None and rules.gallery == "single-shot"
    return told[0] if told else _DRAWN if drawn else _UNKEPT


def _rules(entry: Entry) -> Rules | None:
    """Returns the rules that the row's first run was judged by."""
    one = entry.runs[0].evaluated(entry.dataset) if entry.runs else None
    return one.result.protocol if one and isinstance(one.result, Evaluation) else None


@dataclass(frozen=True)
class _Means:
    """Figures of A x B cameras, means over the runs that have them; NaN where none has."""

    cameras: CameraFigures
    mAP: NDArray[np.float64]  # noqa: N815 - the figure's own name
    rank1: NDArray[np.float64]

    @classmethod
    def of(cls, tables: Sequence[CameraFigures]) -> _Means:
        """Returns the means of tables of the same cameras."""
        mAP, rank1 = (_mean([getattr(one, key) for one in tables]) for key in ("mAP", "rank1"))  # noqa: N806
        return cls(tables[0], mAP, rank1)


def _mean(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    count = np.sum([~np.isnan(one) for one in values], axis=0)
    total = np.sum([np.nan_to_num(one) for one in values], axis=0)
    found: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def _same(one: CameraFigures, other: CameraFigures) -> bool:
    return one.mAP.shape == other.mAP.shape and bool((one.gallery == other.gallery).all())


def _drawn(maps: Sequence[tuple[Entry, _Means]]) -> list[Chart]:
    """Returns charts; those of one data set have one scale, so that they compare by eye."""
    highest: dict[str, float] = {}
    for entry, means in maps:
        own = float(np.nanmax(means.mAP, initial=0.0))
        highest[entry.dataset] = max(own, highest.get(entry.dataset, 0.0))
    return [_chart(entry, means, highest[entry.dataset]) for entry, means in maps]


def _chart(entry: Entry, means: _Means, highest: float) -> Chart:
    there = means.cameras
    told = [
        [
            f"queries of camera {q}, gallery of camera {g}: {_cell(means, i, j)}"
            for j, g in enumerate(there.gallery.tolist())
        ]
        for i, q in enumerate(there.query.tolist())
    ]
    rows, columns = (list(map(str, side.tolist())) for side in (there.query, there.gallery))
    title = f"{entry.dataset}, {entry.name}: mAP by cameras (%)"
    note = f"The fullest colour is {100 * highest:.1f} %, the highest cell on this data set."
    return heat_map(title, rows, columns, means.mAP, told, f"{_order(entry)}{note}", highest)


def _cell(means: _Means, row: int, column: int) -> str:
    precision, first = float(means.mAP[row, column]), float(means.rank1[row, column])
    if math.isnan(precision):
        return "nothing to score"
    queries = int(means.cameras.queries[row, column])
    return f"mAP {100 * precision:.1f} %, Rank-1 {100 * first:.1f} %, {queries:,} queries"


def _order(entry: Entry) -> str:
    """Says whose order a cell has, where that is not its own camera's search."""
    rules = _rules(entry)
    if rules is not None and rules.index is not None:
        return "A cell is of what the index retrieved for the scores; other matches add 0. "
    if rules is not None and rules.rerank.method != "none":
        return "A cell is in the order of the re-ranking that gave the scores. "
    return ""
