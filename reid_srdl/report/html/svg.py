"""What charts are drawn with: scales with round ticks, and SVG elements whose texts are escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from reid_srdl.texts import plain

COLOURS = 8  # of the style sheet: .c0 to .c7
_LEFT, _RIGHT, _LETTER = 52, 18, 9  # of a chart: beside the axis; a letter on a phone


def element(name: str, content: object = "", **attributes: object) -> Markup:
    """Returns an element; ``class_`` is class, ``text_anchor`` is text-anchor.

    >>> element("text", "a < b", x=1.25, text_anchor="end")
    Markup('<text x="1.2" text-anchor="end">a &lt; b</text>')
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
    )
    inner = content if isinstance(content, Markup) else escape(plain(str(content)))
    return Markup(f"<{name}{told}>{inner}</{name}>")


def join(parts: Iterable[Markup]) -> Markup:
    """Returns elements one after the other."""
    return Markup("").join(parts)


def _short(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else plain(str(value))


@dataclass(frozen=True)
class Scale:
    """Turns values from low to high into places from start to end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Returns the place of a value."""
        span = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)

    def ticks(self, wanted: int = 5, *, whole: bool = False) -> list[float]:
        """Returns round values within the scale: multiples of 1, 2 or 5 times a power of 10.

        With ``whole`` there is nothing between whole numbers: epochs, ranks.
        """
        span = (self.high - self.low) or 1.0
        rough = span / wanted
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
        step = max(step, 1) if whole else step
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True)
class Panel:
    """A chart's place: its size, and the scales of its two axes."""

    x: Scale
    y: Scale
    width: float
    height: float

    def axes(self, across: str, up: str, *, whole: bool = False) -> Markup:
        """Returns grid, ticks and the names of both axes; ``whole``: across is counted."""
        parts = []
        for value in self.y.ticks():
            at = self.y(value)
            parts.append(
                element("line", x1=self.x.start, x2=self.x.end, y1=at, y2=at, class_="grid")
            )
            parts.append(
                element("text", tick(value), x=self.x.start - 6, y=at + 4, text_anchor="end")
            )
        for value in self.x.ticks(whole=whole):
            parts.append(
                element(
                    "text", tick(value), x=self.x(value), y=self.y.start + 16, text_anchor="middle"
                )
            )
        parts.append(element("text", across, x=self.x.end, y=self.height - 4, text_anchor="end"))
        parts.append(element("text", up, x=4, y=12))
        return join(parts)

    def drawing(self, content: Markup, title: str) -> Markup:
        """Returns the whole chart."""
        inner = element("title", title) + content
        box = f"0 0 {self.width:g} {self.height:g}"
        widest = f"max-width:{1.35 * self.width:.0f}px"
        return element("svg", inner, viewBox=box, role="img", class_="chart", style=widest)


def panel(
    across: tuple[float, float], up: tuple[float, float], width: float = 480, height: float = 260
) -> Panel:
    """Returns a panel for values in these ranges, with room for the labels of the axis upwards."""
    longest = max((len(tick(value)) for value in Scale(*up, 0, 1).ticks()), default=0)
    left = max(_LEFT, 10 + _LETTER * longest)
    return Panel(Scale(*across, left, width - _RIGHT), Scale(*up, height - 40, 24), width, height)


def tick(value: float) -> str:
    """Returns a tick's label.

    >>> tick(0.1 + 0.2), tick(20000.0)
    ('0.3', '20,000')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def path(points: Sequence[tuple[float, float]]) -> str:
    """Returns the path that joins points."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
