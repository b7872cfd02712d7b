"""The answer of a search as a table for people."""

from __future__ import annotations

from reid_srdl.records.answer import Answer
from reid_srdl.report.tables import Column, Row, Table

_COLUMNS = (
    Column("rank", "rank", "count"),
    Column("name", "name"),
    Column("pid", "pid", "number"),
    Column("camid", "camera", "number"),
    Column("distance", "distance", "number"),
)


def answer_table(answer: Answer) -> Table:
    """Returns a row for each image found, nearest first; pid and camera as in their names."""
    rows = tuple(
        Row(
            {
                "rank": found.rank,
                "name": found.name,
                "pid": None if found.pid is None else str(found.pid),
                "camid": None if found.camid is None else str(found.camid),
                "distance": f"{found.distance:.4f}",
            }
        )
        for found in answer.results
    )
    what = "1 - cos" if answer.distance == "cosine" else "Euclidean distance"
    features = "L2-normalised" if answer.normalize else "raw"
    junk = f", {answer.junk:,} junk images (pid -1) left out" if answer.junk else ""
    farther: tuple[str, ...] = ()
    if answer.threshold is not None:
        shown = f"{answer.farther:,} of the nearest {answer.farther + len(rows):,} are farther"
        farther = (f"threshold {answer.threshold:g}: {shown}, and left out",)
    notes = (
        f"{answer.images:,} images of {answer.gallery}{junk}",
        f"{what} of {features} features; equal distances in the folder's order",
        *farther,
    )
    return Table(f"nearest to {answer.image}", _COLUMNS, rows, notes)
