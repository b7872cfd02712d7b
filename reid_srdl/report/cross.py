"""Networks by test sets as a table for people, rows for programs, and a figure."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

from reid_srdl.records.crossed import Cell, Crossed, CrossedNetwork, Score
from reid_srdl.report.figures import check_figure, new_figure, save_figure
from reid_srdl.report.tables import Column, Row, Table

_MARKS = "osD^vP*X"


def crossed_table(crossed: Crossed) -> Table:
    """Returns a row for each network, and Rank-1 and mAP on each set."""
    names = [cell.dataset for cell in crossed.networks[0].cells]
    columns = (
        Column("network", "network"),
        Column("size", "input"),
        Column("dim", "D", "count"),
        Column("parameters", "params", "millions", "M"),
        Column("speed", "images/s", "number"),
        *(
            column
            for name in names
            for column in (
                Column(f"{name}_rank1", "Rank-1", "number", "%", name),
                Column(f"{name}_mAP", "mAP", "number", "%", name),
            )
        ),
    )
    rows = tuple(Row(_people_row(network)) for network in crossed.networks)
    rules = sorted({cell.rules for network in crossed.networks for cell in network.cells})
    notes = (
        "*: the network was trained on that set's training images",
        f"brackets: {100 * crossed.confidence:g} % interval over the queries' identities "
        f"({crossed.resamples:,} draws)",
        f"images/s: {crossed.turns} turns of {crossed.images} images, the networks one after the "
        f"other in each; the fastest turn; {crossed.device}",
        f"rules: {', '.join(rules)}; each network by its own run's eval settings",
    )
    return Table("networks by test sets, single-query", columns, rows, notes)


def _people_row(network: CrossedNetwork) -> dict[str, str | int | float | None]:
    return {
        **_facts(network),
        "size": f"{network.size[0]} x {network.size[1]}",
        "speed": f"{network.images_per_second:,.1f}",
        **{
            f"{cell.dataset}_{key}": _text(getattr(cell, key), cell)
            for cell in network.cells
            for key in ("rank1", "mAP")
        },
    }


def _facts(network: CrossedNetwork) -> dict[str, str | int | float | None]:
    return {
        "network": f"{Path(network.run).resolve().name}: {network.network}",
        "dim": network.dim,
        "parameters": network.parameters,
    }


def _text(score: Score, cell: Cell) -> str:
    mark = "*" if cell.own else ""
    if score.low is None or score.high is None:
        return f"{100 * score.value:.1f}{mark}"
    return f"{100 * score.value:.1f}{mark} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def crossed_rows(crossed: Crossed) -> Table:
    """Returns a row for each network and set, raw numbers, for CSV."""
    scores = [f"{key}{end}" for key in ("rank1", "mAP") for end in ("", "_low", "_high")]
    keys = ("run", "network", "dim", "parameters", "images_per_second", "dataset", "own", "rules")
    columns = tuple(Column(key, key) for key in (*keys, "queries", "gallery", *scores))
    rows = tuple(
        Row(
            {
                "run": network.run,
                "network": network.network,
                "dim": network.dim,
                "parameters": network.parameters,
                "images_per_second": network.images_per_second,
                "dataset": cell.dataset,
                "own": int(cell.own),
                "rules": cell.rules,
                "queries": cell.queries,
                "gallery": cell.gallery,
                **{
                    f"{key}{end}": getattr(getattr(cell, key), end.removeprefix("_") or "value")
                    for key in ("rank1", "mAP")
                    for end in ("", "_low", "_high")
                },
            }
        )
        for network in crossed.networks
        for cell in network.cells
    )
    return Table("networks by test sets", columns, rows)


def plot_crossed(crossed: Crossed, path: Path) -> None:
    """Draws mAP with its interval over the latency of an image; PNG, SVG or PDF.

    A mark is a set, hollow where the network was trained on it.
    """
    check_figure(path)
    figure = new_figure(7, 5)
    axes = figure.subplots()
    for number, network in enumerate(crossed.networks):
        latency, colour = 1000 / network.images_per_second, f"C{number % 10}"
        for cell, mark in zip(network.cells, cycle(_MARKS)):
            top = 100 * cell.mAP.value
            if cell.mAP.low is not None and cell.mAP.high is not None:
                axes.vlines(latency, 100 * cell.mAP.low, 100 * cell.mAP.high, colour, alpha=0.4)
            face = "none" if cell.own else colour
            axes.scatter(latency, top, marker=mark, facecolors=face, edgecolors=colour)
            axes.annotate(Path(network.run).resolve().name, (latency, top), fontsize=7)
    for cell, mark in zip(crossed.networks[0].cells, cycle(_MARKS)):
        axes.scatter([], [], marker=mark, color="grey", label=cell.dataset)
    axes.set_xlabel(f"ms per image ({crossed.device})")
    axes.set_ylabel("mAP (%)")
    axes.legend(title="hollow: trained on it")
    axes.grid(alpha=0.3)
    save_figure(figure, path)
