"""The report's charts: lines with bands, a forest plot, a distribution, a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from reid_srdl.report.html.svg import COLOURS, element, join, panel, path

Floats = NDArray[np.float64]
# Shares of the fullest colour from which a cell's text turns for contrast: to black where the page
# is dark, to white where it is light.
_BLACK, _WHITE = 0.7, 0.85


@dataclass(frozen=True)
class Series:
    """A named line, with a band where several runs are behind it.

    Attributes:
        name: in the legend.
        x, y: N values each; NaN leaves a gap at the ends.
        low, high: the band; None: there is none.
    """

    name: str
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True)
class Chart:
    """A drawing with what stands around it.

    Attributes:
        title: above it.
        drawing: SVG.
        legend: names, each with the number of its colour.
        note: below it.
    """

    title: str
    drawing: Markup
    legend: tuple[tuple[int, str], ...] = ()
    note: str = ""


def lines(
    title: str,
    series: Sequence[Series],
    across: str,
    up: str,
    note: str = "",
    *,
    from_zero: bool = False,
) -> Chart:
    """Returns lines over an axis that counts epochs or ranks; ``from_zero``: upwards from 0."""
    xs = np.concatenate([one.x for one in series])
    edges = [side for one in series for side in (one.y, one.low, one.high) if side is not None]
    ys = np.concatenate(edges)
    ys = ys[np.isfinite(ys)]
    if not len(ys):
        ys = np.zeros(1)
    low, high = float(ys.min()), float(ys.max())
    margin = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    least = 0.0 if from_zero else low - margin
    place = panel((float(xs.min()), float(xs.max())), (least, high + margin))
    drawn = [place.axes(across, up, whole=True)]
    for number, one in enumerate(series):
        colour = f"c{number % COLOURS}" + (" dashed" if number >= COLOURS else "")
        if one.low is not None and one.high is not None:
            edge = [*_points(place, one.x, one.low), *_points(place, one.x, one.high)[::-1]]
            drawn.append(element("path", d=path(edge) + "Z", class_=f"band {colour}"))
        points = _points(place, one.x, one.y)
        if points:
            drawn.append(element("path", d=path(points), class_=f"line {colour}"))
        for (x, y), value, at in zip(points, one.y[np.isfinite(one.y)], one.x, strict=False):
            told = element("title", f"{one.name}: {value:.4g} at {at:g}")
            drawn.append(element("circle", told, cx=x, cy=y, r=3, class_=f"dot {colour}"))
    legend = tuple((number % COLOURS, one.name) for number, one in enumerate(series))
    return Chart(title, place.drawing(join(drawn), title), legend, note)


def _points(place, x: Floats, y: Floats) -> list[tuple[float, float]]:  # type: ignore[no-untyped-def]
    return [
        (place.x(a), place.y(b))
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
        if math.isfinite(b)
    ]


@dataclass(frozen=True)
class Effect:
    """A difference with its interval: a row of a forest plot. None: no interval is known."""

    name: str
    mean: float
    low: float | None
    high: float | None
    told: str


def forest(title: str, effects: Sequence[Effect], unit: str, note: str = "") -> Chart:
    """Returns differences below each other, zero as a line."""
    ends = [0.0, *(v for e in effects for v in (e.mean, e.low, e.high) if v is not None)]
    margin = 0.08 * (max(ends) - min(ends)) or 1.0
    row, top = 64.0, 4.0
    height = top + row * len(effects) + 40
    place = panel((min(ends) - margin, max(ends) + margin), (0, 1), height=height)
    x = place.x
    drawn = []
    for value in x.ticks(6):
        at, zero = x(value), abs(value) < 1e-12
        drawn.append(
            element("line", x1=at, x2=at, y1=top, y2=height - 36, class_="zero" if zero else "grid")
        )
        drawn.append(
            element(
                "text", f"{value:+.3g}" if value else "0", x=at, y=height - 20, text_anchor="middle"
            )
        )
    drawn.append(element("text", unit, x=x.end, y=height - 4, text_anchor="end"))
    for number, one in enumerate(effects):
        y = top + row * number + 50
        drawn.append(element("text", one.name, x=4, y=y - 32, class_="over"))
        drawn.append(element("text", one.told, x=4, y=y - 12, class_="over"))
        if one.low is not None and one.high is not None:
            drawn.append(
                element("line", x1=x(one.low), x2=x(one.high), y1=y, y2=y, class_="line c0")
            )
        told = element("title", f"{one.name}: {one.told}")
        drawn.append(element("circle", told, cx=x(one.mean), cy=y, r=5, class_="dot c0"))
    return Chart(title, place.drawing(join(drawn), title), (), note)


def distribution(
    title: str, groups: Sequence[tuple[str, NDArray[np.int64]]], across: str, note: str = ""
) -> Chart:
    """Returns how fractions are distributed: the share of values in each of N equal steps.

    Args:
        title: above it.
        groups: a name, and N numbers of values.
        across: the name of the axis.
        note: below it.
    """
    edges = np.linspace(0, 1, len(groups[0][1]) + 1)
    shares = [counts / max(int(counts.sum()), 1) for _, counts in groups]
    place = panel((0, 100), (0, 100 * max([0.01, *(float(share.max()) for share in shares)])))
    drawn = [place.axes(across, "% of queries")]
    for number, ((name, _), share) in enumerate(zip(groups, shares, strict=True)):
        corners = [
            (place.x(100 * edge), place.y(100 * value))
            for low, high, value in zip(edges[:-1], edges[1:], share.tolist(), strict=True)
            for edge in (low, high)
        ]
        told = element("title", name)
        drawn.append(element("path", told, d=path(corners), class_=f"line c{number % COLOURS}"))
    legend = tuple((number % COLOURS, name) for number, (name, _) in enumerate(groups))
    return Chart(title, place.drawing(join(drawn), title), legend, note)


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Floats,
    told: Sequence[Sequence[str]],
    note: str,
    highest: float,
) -> Chart:
    """Returns R x C fractions as coloured cells with their numbers in percent.

    Args:
        title: above it.
        rows, columns: cameras of queries and gallery.
        values: R x C; NaN: nothing was there to score.
        told: R x C texts for whoever points at a cell.
        note: below it.
        highest: the fraction that the fullest colour means.
    """
    left, top, size = 70.0, 42.0, min(60.0, 400 / max(len(columns), 1))
    highest = max(highest, 1e-9)
    width, height = max(200.0, left + size * len(columns) + 10), top + 34 * len(rows) + 10
    place = panel((0, 1), (0, 1), width, height)
    drawn = [element("text", "gallery camera", x=left, y=14), element("text", "query", x=4, y=34)]
    for column, name in enumerate(columns):
        drawn.append(
            element("text", name, x=left + (column + 0.5) * size, y=34, text_anchor="middle")
        )
    for row, name in enumerate(rows):
        y = top + 34 * row
        drawn.append(element("text", name, x=left - 8, y=y + 21, text_anchor="end"))
        for column in range(len(columns)):
            x, value = left + column * size, float(values[row, column])
            known = math.isfinite(value)
            cell = element("title", told[row][column])
            share = value / highest if known else 0.0
            style = f"fill-opacity:{0.1 + 0.9 * share:.2f}" if known else ""
            kind = "heat" if known else "nothing"
            drawn.append(
                element(
                    "rect",
                    cell,
                    x=x + 1,
                    y=y + 1,
                    width=size - 2,
                    height=32,
                    class_=kind,
                    style=style,
                )
            )
            text = f"{100 * value:.1f}" if known else "–"
            ink = "hot" if share > _WHITE else "warm" if share > _BLACK else "cell"
            if size >= 30:
                drawn.append(
                    element(
                        "text", text, x=x + size / 2, y=y + 21, text_anchor="middle", class_=ink
                    )
                )
    return Chart(title, place.drawing(join(drawn), title), (), note)
