"""The check of a data set, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from reid_srdl.data.check_report import CheckReport
from reid_srdl.data.locate import ClassCounts, Counts
from reid_srdl.report.say import say, show
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import plain


def check_json(report: CheckReport) -> dict[str, object]:
    """Returns a check as plain values."""
    return {**asdict(report), "root": str(report.root), "ok": report.ok}


def print_check(report: CheckReport) -> None:
    """Prints counts, sums of files, notes, problems, and whether the set is ready to use."""
    console = Console(highlight=False, soft_wrap=True)
    if report.rows:
        show(_table_of_counts(report))
    else:
        say(f"{report.name} in {report.root}")
    if report.sums:
        show(_table_of_sums(report))
    for kind, style, findings in (
        ("note", "cyan", report.notes),
        ("problem", "bold red", report.problems),
    ):
        for finding in findings:
            console.print(Text(f"{kind}: ", style=style) + Text(plain(finding.text)))
            for file in finding.files:
                say(f"  {file}")
    if report.ok:
        console.print(Text("ok: ready to use", style="bold green"))
    else:
        count = len(report.problems)
        told = f"not ok: {count} problem{'' if count == 1 else 's'}"
        console.print(Text(told, style="bold red"))


def _table_of_counts(report: CheckReport) -> Table:
    rows = []
    for row in report.rows:
        rows.append(Row({"split": row.split, **_cells(row.counts)}))
        if row.official:
            rows.append(Row({"split": "  official", **_cells(row.official)}))
    kinds = (Column(kind, kind, "count") for kind in _cells(report.rows[0].counts))
    title = f"{report.name} in {report.root}"
    return Table(title, (Column("split", "split"), *kinds), tuple(rows))


def _table_of_sums(report: CheckReport) -> Table:
    columns = tuple(Column(key, key) for key in ("file", "here", "official"))
    rows = (
        Row(
            {
                "file": row.file,
                "here": row.md5,
                "official": "the same" if row.md5 == row.official else row.official,
            }
        )
        for row in report.sums
    )
    return Table("MD5 sums", columns, tuple(rows))


def _cells(counts: Counts | ClassCounts) -> dict[str, int | None]:
    return asdict(counts)
