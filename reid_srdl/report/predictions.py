"""What networks say of test images, as tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.records.analyses import Subject
from reid_srdl.records.network_analyses import Agreement, Predictions
from reid_srdl.report.analysis import label
from reid_srdl.report.figures import new_figure, save_figure
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import plain


def predictions_table(found: Sequence[Predictions]) -> Table:
    """Returns a row for each network: its mean entropy, of right and of wrong decisions."""
    columns = (
        Column("network", "network"),
        Column("seed", "seed", "number"),
        Column("images", "test images", "count"),
        Column("entropy", "all", "number", "nats", "entropy"),
        Column("right", "right", "number", "nats", "entropy"),
        Column("wrong", "wrong", "number", "nats", "entropy"),
    )
    rows = tuple(
        Row(
            {
                "network": label(one.subject),
                "seed": one.subject.seed,
                "images": one.images,
                "entropy": _nats(one.entropy),
                "right": _nats(one.right),
                "wrong": _nats(one.wrong),
            }
        )
        for one in found
    )
    uniform = f"{found[0].edges[-1]:.4f}"
    notes = (f"H = -sum q log q, q = softmax(z), mean over images; uniform: {uniform} nats",)
    return Table("Entropy of predictions", columns, rows, notes)


def plot_predictions(found: Sequence[Predictions], path: Path) -> None:
    """Draws the share of test images over the entropy of their predictions, log scale."""
    import numpy as np

    figure = new_figure(6.5, 4.2)
    axes = figure.subplots()
    for one in found:
        name = f"{label(one.subject)} (mean {one.entropy:.3f})"
        axes.stairs(np.array(one.counts) / one.images, one.edges, label=name, linewidth=1.5)
    axes.set_yscale("log")
    axes.set_xlabel("entropy of a prediction (nats)")
    axes.set_ylabel("share of test images")
    axes.set_title(f"Entropy of predictions, {found[0].subject.dataset}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(figure, path)


def agreement_table(found: Agreement) -> Table:
    """Returns a row for each pair of networks."""
    names = _names(found.subjects)
    columns = (
        Column("one", "network"),
        Column("other", "and"),
        Column("accuracy_one", "first", "number", "%", "accuracy"),
        Column("accuracy_other", "second", "number", "%", "accuracy"),
        Column("decisions", "equal decisions", "number", "%"),
        Column("errors", "equal errors", "number", "%"),
    )
    rows = tuple(
        Row(
            {
                "one": names[i],
                "other": names[j],
                "accuracy_one": _percent(found.accuracy[i]),
                "accuracy_other": _percent(found.accuracy[j]),
                "decisions": _percent(found.decisions[i][j]),
                "errors": _percent(found.errors[i][j]),
            }
        )
        for i in range(len(names))
        for j in range(i + 1, len(names))
    )
    notes = (
        f"of {found.images:,} test images; equal errors: of those that at least one of the two "
        "gets wrong, where both make the same error",
    )
    return Table("Agreement between networks", columns, rows, notes)


def plot_agreement(found: Agreement, path: Path) -> None:
    """Draws both K x K matrices, each cell with its number."""
    names = list(map(plain, _names(found.subjects)))
    side, label = 1.2 + 0.8 * len(names), 0.09 * max(map(len, names))  # inches
    figure = new_figure(2 * (side + label), 0.6 + side + label)
    parts = (("equal decisions (%)", found.decisions), ("equal errors (%)", found.errors))
    for axes, (title, shares) in zip(figure.subplots(1, 2), parts, strict=True):
        axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
        places = range(len(names))
        axes.set_xticks(places, names, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(places, names, fontsize=8)
        for i in places:
            for j in places:
                colour = "black" if shares[i][j] > 0.6 else "white"
                axes.text(j, i, _percent(shares[i][j]), ha="center", va="center", color=colour)
        axes.set_title(title)
    figure.suptitle(f"Agreement, {found.subjects[0].dataset}: {found.images:,} test images")
    save_figure(figure, path)


def _names(subjects: Sequence[Subject]) -> list[str]:
    return [f"{one.run}:{one.network}" for one in subjects]


def _nats(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
