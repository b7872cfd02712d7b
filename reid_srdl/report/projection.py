"""Features in the plane, as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.records.network_analyses import Projection
from reid_srdl.report.analysis import label
from reid_srdl.report.figures import new_figure, save_figure
from reid_srdl.report.tables import Column, Row, Table

_NAMED = 20  # classes that the legend has room for


def projection_table(found: Sequence[Projection]) -> Table:
    """Returns a row for each projection."""
    columns = (
        Column("network", "network"),
        Column("at", "at"),
        Column("by", "by"),
        Column("images", "test images", "count"),
        Column("dim", "length", "count"),
        Column("explained", "variance", "number", "%"),
    )
    rows = tuple(
        Row(
            {
                "network": label(one.subject),
                "at": one.at,
                "by": _METHODS[one.by],
                "images": one.images,
                "dim": one.dim,
                "explained": f"{100 * sum(one.explained):.1f}" if one.explained else None,
            }
        )
        for one in found
    )
    notes = ("variance: the share that the two principal components have of it",)
    return Table("Features of all test images in the plane", columns, rows, notes)


def plot_projections(found: Sequence[Projection], path: Path) -> None:
    """Draws a panel for each projection, a colour for each class."""
    import numpy as np
    from matplotlib import colormaps

    figure = new_figure(5.2 * len(found) + 1, 5)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, one in zip(panels, found, strict=True):
        points, labels = np.array(one.points), np.array(one.labels)
        few = len(one.classes) <= _NAMED
        colours = colormaps["tab20" if len(one.classes) > 10 else "tab10"]
        for number, name in enumerate(one.classes):
            own = points[labels == number]
            colour = colours(number) if few else colormaps["hsv"](number / len(one.classes))
            axes.scatter(*own.T, s=2, color=colour, label=name, rasterized=True)
        axes.set_title(f"{label(one.subject)}, {one.at}: {_METHODS[one.by]}", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        if few and axes is panels[-1]:
            axes.legend(markerscale=4, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(f"{found[0].subject.dataset}: {found[0].images:,} test images")
    save_figure(figure, path)


_METHODS = {"pca": "PCA", "tsne": "t-SNE"}
