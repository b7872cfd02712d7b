"""Analyses of finished runs as tables and figures; pure functions of their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.analysis.published import FINAL_EPOCH_CROSS_ENTROPY
from reid_srdl.records.analyses import EnsembleRecord, Entropies, Subject, Width
from reid_srdl.records.naming import title
from reid_srdl.report.classes import class_table
from reid_srdl.report.figures import check_figure, new_figure, save_figure
from reid_srdl.report.tables import MISSING, Column, Row, Table

_SHOWN = 6  # distances in the table; the figure and the record have all


def width_table(widths: Sequence[Width]) -> Table:
    """Returns a row for each network and split: cross-entropy at some distances."""
    settings = widths[0].settings
    last = len(settings.distances) - 1
    shown = sorted({round(last * place / (_SHOWN - 1)) for place in range(_SHOWN)})
    columns = (
        Column("network", "network"),
        Column("seed", "seed", "number"),
        Column("split", "split"),
        *(
            Column(f"at{place}", f"{settings.distances[place]:.3g}", "number", "", "d =")
            for place in shown
        ),
    )
    rows = [
        Row(
            {
                "network": label(width.subject),
                "seed": width.subject.seed,
                "split": f"{split} ({width.images[split]:,})",
                **{f"at{place}": _mean(width, split, place) for place in shown},
            },
            separator=number == 0,
        )
        for width in widths
        for number, split in enumerate(width.losses)
    ]
    unit = "filter norms (Li et al. 2018)" if settings.relative else "the weights' own norm"
    notes = (
        f"mean ± standard deviation over {settings.directions} random directions v, d in {unit}; "
        "batch-norm statistics as trained",
    )
    return Table("Cross-entropy at theta + d v (nats)", columns, tuple(rows), notes)


def _mean(width: Width, split: str, place: int) -> str:
    mean, deviation = width.mean(split)[place], width.deviation(split)[place]
    if mean is None:
        return "overflow"
    return f"{mean:.4f}" if place == 0 or deviation is None else f"{mean:.4f} ± {deviation:.4f}"


def label(subject: Subject) -> str:
    """Returns how tables and figures call a network: ``resnet32 SRDL, first``."""
    own = subject.method.split(" ")[0]
    part = "" if subject.network == own else f", {subject.network}"
    return f"{subject.model} {title(subject.method)}{part}"


def plot_widths(widths: Sequence[Width], path: Path) -> None:
    """Draws mean and band (one standard deviation) over d, a panel for each split.

    Directions of networks that differ in nothing but the seed are pooled in one band.

    Raises:
        UserError: the name ends in none of .png, .svg, .pdf.
    """
    check_figure(path)
    import numpy as np

    splits = list(dict.fromkeys(split for width in widths for split in width.losses))
    figure = new_figure(5.5 * len(splits), 4.2)
    panels = figure.subplots(1, len(splits), squeeze=False)[0]
    for axes, split in zip(panels, splits, strict=True):
        for name, group in _by_label(widths).items():
            losses = np.array(
                [row for width in group if split in width.losses for row in width.losses[split]],
                dtype=float,  # None becomes NaN, which leaves a gap
            )
            if not losses.size:
                continue
            distances = group[0].settings.distances
            mean = losses.mean(axis=0)
            band = losses.std(axis=0, ddof=1) if len(losses) > 1 else np.zeros_like(mean)
            seeds = f" ({len(group)} seeds)" if len(group) > 1 else ""
            (line,) = axes.plot(distances, mean, label=f"{name}{seeds}")
            colour = line.get_color()
            axes.fill_between(distances, mean - band, mean + band, alpha=0.2, color=colour)
        axes.set_title(split)
        axes.set_xlabel("d (filter norms)" if widths[0].settings.relative else "d")
        axes.set_ylabel("cross-entropy at θ + d v (nats)")
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    directions = widths[0].settings.directions
    figure.suptitle(
        f"Width of the optimum, {widths[0].subject.dataset}: {directions} random directions each"
    )
    save_figure(figure, path)


def _by_label(widths: Sequence[Width]) -> dict[str, list[Width]]:
    groups: dict[str, list[Width]] = {}
    for width in widths:
        groups.setdefault(label(width.subject), []).append(width)
    return groups


def entropy_table(entropies: Sequence[Entropies]) -> Table:
    """Returns a row for each ``fit`` phase, and the paper's values below."""
    columns = (
        Column("run", "run"),
        Column("phase", "phase"),
        Column("model", "network"),
        Column("epochs", "epochs", "number"),
        Column("last_epoch", "last epoch, as trained", "number", "nats"),
        Column("clean", "clean images, evaluation mode", "number", "nats"),
    )
    rows = [
        Row(
            {
                "run": run.run,
                "phase": phase.phase,
                "model": phase.model,
                "epochs": phase.epochs,
                "last_epoch": _nats(phase.last_epoch),
                "clean": _nats(phase.clean),
            },
            separator=number == 0,
        )
        for run in entropies
        for number, phase in enumerate(run.phases)
    ]
    published = [
        Row(
            {"run": "SRDL paper (quoted)", "model": model, "last_epoch": f"{value:.4f}"},
            separator=number == 0,
        )
        for number, (model, value) in enumerate(FINAL_EPOCH_CROSS_ENTROPY.items())
    ]
    notes = (
        "last epoch, as trained: mean over its steps in training mode, on augmented images, while "
        "the weights move",
        "clean images, evaluation mode: of the network that the phase ended with, on the whole "
        "training set",
        "the paper says no more than 'the average cross entropy loss of the final epoch'",
    )
    return Table("Training cross-entropy", columns, (*rows, *published), notes)


def _nats(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def ensemble_table(record: EnsembleRecord) -> Table:
    """Returns a row for each member, and one for the mean of their probabilities."""
    rows: dict[str, ClassScores] = {}
    for member in record.members:
        name = f"{member.subject.run}:{member.subject.network}"
        rows[name if name not in rows else f"{name} (again)"] = member.scores
    rows["mean of the probabilities"] = record.scores
    return class_table(rows, record.members[0].subject.dataset)
