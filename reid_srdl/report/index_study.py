"""A study of indexes as a table, JSON and a figure."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from reid_srdl.records.index_cost import RECALLS, IndexStudy
from reid_srdl.report.figures import check_figure, new_figure, save_figure
from reid_srdl.report.tables import Column, Row, Table


def study_table(study: IndexStudy) -> Table:
    """Returns a row per index, exact scores and definitions below."""
    columns = (
        Column("index", "index"),
        *(Column(f"recall{k}", f"@{k}", "number", "%", "recall") for k in RECALLS),
        Column("rank1", "Rank-1", "number", "%"),
        Column("truncated_mAP", "truncated mAP", "number", "%"),
        Column("memory", "memory", "number", "MiB"),
        Column("build", "build", "number", "s"),
        Column("speed", "queries/s", "number"),
    )
    rows = tuple(
        Row(
            {
                "index": cost.index,
                **{
                    f"recall{k}": None if share is None else f"{100 * share:.2f}"
                    for k, share in zip(RECALLS, cost.recalls, strict=True)
                },
                "rank1": f"{100 * cost.rank1:.2f}",
                "truncated_mAP": f"{100 * cost.truncated_mAP:.2f}",
                "memory": f"{cost.bytes / 2**20:,.1f}",
                "build": f"{cost.build_seconds:,.2f}",
                "speed": f"{cost.queries_per_second:,.0f}",
            }
        )
        for cost in study.indexes
    )
    features = "L2-normalised" if study.normalize else "raw"
    notes = (
        f"exact: Rank-1 {100 * study.exact.rank1:.2f} %, mAP {100 * study.exact.mAP:.2f} % over "
        "the whole gallery",
        f"truncated mAP: over the first {study.retrieved} retrieved, matches not retrieved add 0",
        "recall@k: share of the true k nearest among the first k retrieved; junk and images of the "
        "query's identity and camera left out",
        f"{study.distance} distance of {features} features",
    )
    title = f"{study.queries:,} queries, {study.gallery:,} images, {study.dim} dimensions"
    return Table(title, columns, rows, notes)


def study_json(study: IndexStudy) -> dict[str, Any]:
    """Returns the study as plain values, fractions between 0 and 1."""
    tree = asdict(study)
    tree["exact"] = study.exact.model_dump()
    for row in tree["indexes"]:
        shares = row.pop("recalls")
        row["recall"] = {str(k): share for k, share in zip(RECALLS, shares, strict=True)}
    return tree


def advice_lines(study: IndexStudy) -> list[str]:
    """Returns a line for each index that FAISS would train on more images."""
    return [
        f"{cost.index}: FAISS advises {cost.advice:,} training images, the gallery has "
        f"{study.gallery:,}"
        for cost in study.indexes
        if cost.advice
    ]


def plot_study(study: IndexStudy, path: Path) -> None:
    """Draws truncated mAP and recall over queries/s, marks sized by memory; PNG, SVG or PDF."""
    check_figure(path)
    figure = new_figure(11, 4.5)
    left, right = figure.subplots(1, 2, sharex=True)
    largest = max(cost.bytes for cost in study.indexes)
    position = len([k for k in RECALLS if k <= 10]) - 1
    for cost in study.indexes:
        size = 30 + 270 * cost.bytes / largest
        left.scatter(cost.queries_per_second, 100 * cost.truncated_mAP, s=size, alpha=0.6)
        share = cost.recalls[position]
        recall = None if share is None else 100 * share
        points = ((left, 100 * cost.truncated_mAP), (right, recall))
        for axes, y in points:
            if y is not None:
                axes.annotate(cost.index, (cost.queries_per_second, y), fontsize=7)
        if recall is not None:
            right.scatter(cost.queries_per_second, recall, s=size, alpha=0.6)
    left.set_ylabel(f"truncated mAP over {study.retrieved} retrieved (%)")
    right.set_ylabel(f"recall@{RECALLS[position]} (%)")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("queries/s")
        axes.grid(alpha=0.3)
    figure.suptitle(
        f"{study.queries:,} queries, {study.gallery:,} images, {study.dim} dimensions; "
        "area of a mark: memory"
    )
    save_figure(figure, path)
