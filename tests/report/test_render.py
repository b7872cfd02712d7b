"""Every form of a table parses, carries raw numbers where machines read, and escapes."""

from __future__ import annotations

import csv
import io
import json
import re

from rich.console import Console

from reid_srdl.records.cost import Work
from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.statistics import Measure
from reid_srdl.report.leaderboard import leaderboard_tables
from reid_srdl.report.render import to_csv, to_json, to_latex, to_markdown, to_rich
from reid_srdl.report.tables import Column, Row, Table
from tests.records.factory import DATASET, record

TABLE = Table(
    "50 % of A_B & {C}",
    (
        Column("hidden", None),
        Column("name", "name"),
        Column("size", "size", "millions", unit="M"),
        Column("steps", "steps", "count"),
        Column("cost", "cost", "number"),
        Column("score", "mAP", "percent", group="single"),
    ),
    (
        Row(
            {
                "hidden": (1, 2),
                "name": "a_b|[x=1]",
                "size": 25_046_831,
                "steps": 12_000,
                "cost": 0.41456,
                "score": Measure(0.8931, 0.0021, 5),
            }
        ),
        Row({"name": "none", "size": None, "score": None}, separator=True),
        Row({"name": "gain", "score": Measure(0.0181, None, 5)}, gain=True),
        Row({"name": "loss", "score": Measure(-0.0181, 0.003, 5)}, gain=True),
    ),
    ("note_1 #2",),
)


def board_tables() -> list[Table]:
    walkers = DATASET.model_copy(update={"name": "walkers"})
    runs = [
        record(method, seed, 0.5 + seed / 10) for method in ("vanilla", "srdl") for seed in (0, 1)
    ]
    return leaderboard_tables(leaderboard([*runs, record(dataset=walkers, rank1=None)]))


def cells(table: Table) -> list[list[str]]:
    return [[table.text(row, column) for column in table.shown] for row in table.rows]


def test_numbers_are_written_as_the_paper_prints_them() -> None:
    assert cells(TABLE) == [
        ["a_b|[x=1]", "25.0", "12,000", "0.415", "89.3 ± 0.2 (5)"],
        ["none", "-", "", "", "-"],
        ["gain", "", "", "", "+1.8 (5)"],
        ["loss", "", "", "", "-1.8 ± 0.3 (5)"],
    ]


def test_markdown_has_the_tables_shape() -> None:
    lines = to_markdown([TABLE, TABLE]).split("\n\n")
    rows = lines[1].splitlines()
    unescaped = [re.sub(r"\\(.)", "", row) for row in rows]
    assert [row.count("|") for row in unescaped] == [6] * (2 + len(TABLE.rows))
    assert rows[1] == "| :--- | ---: | ---: | ---: | ---: |"
    assert rows[2].startswith(r"| a\_b\|\[x=1\] | 25.0 | 12,000 |")
    assert rows[4].startswith("| **gain** |")
    assert rows[4].endswith("| **+1.8 (5)** |")
    assert "****" not in rows[4]
    assert lines[2] == r"note\_1 \#2"


def test_latex_escapes_and_balances() -> None:
    latex = to_latex([TABLE])
    assert r"\caption{50 \% of A\_B \& \{C\}}" in latex
    assert r"a\_b\textbar{}{[}x=1]" in latex
    assert r"note\_1 \#2" in latex
    assert r"89.3 $\pm$ 0.2 (5)" in latex
    assert "±" not in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    body = latex.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    for line in rows[1:]:
        assert len(re.findall(r"(?<!\\)&", line)) == 4
    assert r"\multicolumn{1}{c}{single}" in rows[0]
    assert r"\cmidrule(lr){5-5}" in body
    assert latex.count(r"\midrule") == 2
    assert len(re.findall(r"(?<!\\)\{", latex)) == len(re.findall(r"(?<!\\)\}", latex))


def test_a_latex_row_that_starts_with_a_bracket_is_no_optional_argument() -> None:
    table = Table("t", (Column("a", "a"),), (Row({"a": "x"}), Row({"a": "[y]"})))
    assert "{[}y]" in to_latex([table])


def test_csv_keeps_raw_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv([TABLE]))))
    assert list(rows[0]) == [
        *("kind", "hidden", "name", "size", "steps", "cost"),
        *("score_mean", "score_sd", "score_n"),
    ]
    assert rows[0]["score_mean"] == "0.8931"
    assert (rows[0]["score_sd"], rows[0]["score_n"]) == ("0.0021", "5")
    assert rows[0]["hidden"] == "1 2"
    assert rows[0]["size"] == "25046831"
    assert [row["kind"] for row in rows] == ["row", "row", "gain", "gain"]
    assert rows[2]["score_sd"] == rows[1]["score_mean"] == ""


def test_json_keeps_raw_numbers_and_tells_gains_from_rows() -> None:
    tree = json.loads(to_json([TABLE]))
    assert list(tree) == ["rows", "gains", "notes"]
    assert tree["rows"][0]["score"] == {"mean": 0.8931, "sd": 0.0021, "n": 5}
    assert tree["rows"][1]["score"] is None
    assert tree["gains"][0] == {
        "hidden": None,
        "name": "gain",
        "size": None,
        "steps": None,
        "cost": None,
        "score": {"mean": 0.0181, "sd": None, "n": 5},
    }
    assert tree["notes"] == ["note_1 #2"]


def test_nothing_to_show_still_parses() -> None:
    assert json.loads(to_json([])) == {"rows": [], "gains": [], "notes": []}
    assert list(csv.reader(io.StringIO(to_csv([])))) == [["kind"]]


def draw(table: Table, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(to_rich(table, console))
    return console.export_text()


def test_a_terminal_shows_every_cell_whole() -> None:
    wide = draw(TABLE, 120)
    for shown in ("a_b|[x=1]", "25.0", "12,000", "89.3 ± 0.2 (5)", "+1.8 (5)", "note: note_1 #2"):
        assert shown in wide


def test_a_narrow_terminal_loses_no_number() -> None:
    table = board_tables()[0]
    narrow = draw(table, 80)
    assert "…" not in narrow
    assert "vanilla" in narrow
    assert all(len(line.rstrip()) <= 80 for line in narrow.splitlines())
    # Multi-query Rank-1, (0.54 + 0.64) / 2, and the sd of 0.5 and 0.6: in one line, below.
    assert "59.0 ± 7.1 (2)" in narrow
    assert narrow.count(" srdl ") == 3
    assert draw(table, 160).count(" srdl ") == 1


def test_the_leaderboard_becomes_one_table_for_each_data_set() -> None:
    first, second = board_tables()
    assert first.title.startswith("market1501")
    assert second.title.startswith("walkers")
    assert [row.gain for row in first.rows] == [False, False, True]
    scores = ["55.0 ± 7.1 (2)", "25.0 ± 0.0 (2)", "59.0 ± 7.1 (2)", "33.0 ± 0.0 (2)"]
    assert cells(first) == [
        ["resnet50", "vanilla", "25.0", "120", "0.415", "1.22", "", *scores],
        ["resnet50", "srdl", "25.0", "120", "0.415", "1.22", "1", *scores],
        ["resnet50", "gain (SRDL - vanilla)", "", "", "", "", "", *["+0.0 ± 0.0 (2)"] * 4],
    ]
    assert cells(second)[0][-4:] == ["-"] * 4


def test_a_row_tells_its_work_over_that_of_its_vanilla() -> None:
    vanilla, srdl = record("vanilla"), record("srdl")
    dearer = srdl.work + Work(forward=srdl.work.total, backward=0, total=srdl.work.total)
    board = leaderboard([vanilla, srdl.model_copy(update={"work": dearer})])
    (tree,) = [json.loads(to_json(leaderboard_tables(board)))]
    ratios = {row["method"]: row.get("work_ratio") for row in tree["rows"]}
    assert ratios == {"vanilla": None, "srdl": 2.0}


def test_leaderboard_json_traces_every_row_to_its_runs() -> None:
    tree = json.loads(to_json(board_tables()))
    assert tree["rows"][1]["runs"] == ["srdl-0-0", "srdl-1-0"]
    assert tree["rows"][1]["seeds"] == [0, 1]
    assert tree["gains"][0]["paired"] is True
    assert tree["gains"][0]["baseline"] == "vanilla"
    assert tree["rows"][2]["dataset"] == "walkers"
