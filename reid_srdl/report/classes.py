"""Classification scores as a table for people."""

from __future__ import annotations

from collections.abc import Mapping

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.report.tables import MISSING, Column, Row, Table

_COLUMNS = (
    Column("network", "network"),
    Column("top1", "top-1", "number", unit="%"),
    Column("top5", "top-5", "number", unit="%"),
    Column("loss", "cross-entropy", "number", unit="nats"),
)


def class_table(scores: Mapping[str, ClassScores], dataset: str) -> Table:
    """Returns a row for each network, or ensemble of networks, by name."""
    images = next(iter(scores.values())).images
    rows = tuple(
        Row(
            {
                "network": name,
                "top1": f"{100 * score.top1:.2f}",
                "top5": MISSING if score.top5 is None else f"{100 * score.top5:.2f}",
                "loss": f"{score.loss:.4f}",
            }
        )
        for name, score in scores.items()
    )
    return Table(f"{dataset}: {images:,} test images", _COLUMNS, rows)
