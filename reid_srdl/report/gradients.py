"""Gradient norms along training, as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.records.network_analyses import Gradients
from reid_srdl.report.figures import new_figure, save_figure
from reid_srdl.report.tables import Column, Row, Table


def gradients_table(found: Sequence[Gradients]) -> Table:
    """Returns a row for each layer: its norm in the first, the middle and the last epoch."""
    columns = (
        Column("network", "network"),
        Column("layer", "layer"),
        Column("first", "first", "number", "", "epoch"),
        Column("middle", "middle", "number", "", "epoch"),
        Column("last", "last", "number", "", "epoch"),
    )
    rows = tuple(
        Row(
            {
                "network": f"{one.run}:{one.network}",
                "layer": layer,
                "first": f"{one.norms[0][place]:.3g}",
                "middle": f"{one.norms[len(one.norms) // 2][place]:.3g}",
                "last": f"{one.norms[-1][place]:.3g}",
            },
            separator=place == 0,
        )
        for one in found
        for place, layer in enumerate(one.layers)
    )
    notes = ("mean over an epoch's steps of the norm of a layer's gradient, before it is clipped",)
    return Table("Gradient norms of each layer", columns, rows, notes)


def plot_gradients(found: Sequence[Gradients], path: Path) -> None:
    """Draws a panel for each network: a line for each layer, dark at the input, bright behind."""
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(6.2 * len(found), 4.4)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, one in zip(panels, found, strict=True):
        last = max(len(one.layers) - 1, 1)
        few = len(one.layers) <= 12
        for place, layer in enumerate(one.layers):
            named = few or place in (0, last)
            axes.plot(
                one.epochs,
                [norms[place] or float("nan") for norms in one.norms],  # 0 has no logarithm
                color=colormaps["viridis"](0.95 * place / last),
                marker="." if len(one.epochs) < 20 else None,
                linewidth=1,
                label=layer if named else None,
            )
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(f"epoch of {one.phase}")
        axes.set_ylabel("mean norm of the gradient")
        axes.set_title(f"{one.run}:{one.network}, {len(one.layers)} layers", fontsize=9)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    save_figure(figure, path)
