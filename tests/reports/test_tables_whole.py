"""Tables never cut a column, a word or a digit, at 60 to 200 columns."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from reid_srdl.records.leaderboard import leaderboard
from reid_srdl.records.statistics import Measure
from reid_srdl.report.leaderboard import leaderboard_tables
from reid_srdl.report.render import to_rich
from reid_srdl.report.tables import Column, Row, Table, Value
from tests.records.factory import record

WIDTHS = st.integers(60, 200)
WORDS = st.text("abcXYZ019-_=.,:/ü图", min_size=1, max_size=12)
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
MEASURES = st.builds(
    Measure, st.floats(0, 1), st.one_of(st.none(), st.floats(0, 0.5)), st.integers(1, 99)
)
VALUES: dict[str, st.SearchStrategy[Value]] = {
    "text": TEXTS,
    "count": st.integers(0, 10**9),
    "millions": st.integers(0, 10**10),
    "number": st.floats(-1e6, 1e6),
    "percent": MEASURES,
}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = []
    for place in range(draw(st.integers(1, 16))):
        kind = "text" if place == 0 else draw(st.sampled_from(sorted(VALUES)))
        group = draw(st.sampled_from(["", "", "single", "multi"]))
        unit = draw(st.sampled_from(["", "M", "10¹⁶"]))
        title = draw(WORDS)
        columns.append(Column(f"{place}", title, kind, unit, group))  # type: ignore[arg-type]
    rows = tuple(
        Row({c.key: draw(st.one_of(st.none(), VALUES[c.kind])) for c in columns})
        for _ in range(draw(st.integers(1, 4)))
    )
    return Table(draw(TEXTS), tuple(columns), rows, (draw(TEXTS),))


def drawn(table: Table, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(to_rich(table, console))  # cropped at the width, as any console does
    return captured.get().splitlines()


def assert_whole(table: Table, lines: list[str]) -> None:
    for row in table.rows:
        for column in table.shown:
            text = table.text(row, column)
            if text != "-":  # a column of nothing else may go
                assert any(text in line for line in lines), text
    for column in table.shown:
        filled = [row for row in table.rows if table.text(row, column) != "-"]
        assert not filled or any(column.title in line for line in lines if column.title)
    for word in f"{table.title} {' '.join(table.notes)}".split():
        assert any(word in line for line in lines), word


@settings(max_examples=100, deadline=None)
@given(tables(), WIDTHS)
def test_every_cell_stands_whole_in_one_line(table: Table, width: int) -> None:
    lines = drawn(table, width)
    assert_whole(table, lines)


@settings(max_examples=50, deadline=None)
@given(WIDTHS)
def test_the_leaderboard_keeps_its_columns_in_order(width: int) -> None:
    runs = [
        record(method, seed, 0.5 + seed / 10) for method in ("vanilla", "srdl") for seed in (0, 1)
    ]
    (table,) = leaderboard_tables(leaderboard(runs))
    lines = drawn(table, width)
    assert_whole(table, lines)
    own = [line.split() for line in lines if "srdl" in line.split()]
    assert [" ".join(words[:2]) for words in own] == ["resnet50 srdl"] * len(own)
    scores = "55.0 ± 7.1 (2) 25.0 ± 0.0 (2) 59.0 ± 7.1 (2) 33.0 ± 0.0 (2)"
    told = " ".join(word for words in own for word in words[2:])
    assert told == f"25.0 120 0.415 1.22 1 {scores}"


def _wide(cell: str, *, rows: int = 1) -> Table:
    columns = (Column("a", "a"), Column("b", "b", "number"), Column("c", "c", "number"))
    return Table(
        "t", columns, tuple(Row({"a": cell, "b": "1.25", "c": "x" * 30}) for _ in range(rows))
    )


def test_labels_that_leave_no_room_are_numbered() -> None:
    lines = drawn(_wide("one two three four five six seven eight nine ten", rows=2), 60)
    assert [line.split()[0] for line in lines if "1.25" in line] == ["1", "2"]
    assert sum("one two three four five six seven eight nine ten" in line for line in lines) == 2


def test_a_cell_longer_than_the_terminal_is_wrapped_between_words() -> None:
    text = " ".join(f"word{number}" for number in range(30))
    lines = drawn(_wide(text), 60)
    assert all(any(word in line.split() for line in lines) for word in text.split())


def test_a_word_longer_than_the_terminal_stays_whole() -> None:
    console, path = Console(width=60, file=io.StringIO()), "/" + "x" * 150
    with console.capture() as captured:
        console.print(to_rich(_wide(path), console), crop=False)
    assert path in captured.get()


def test_empty_columns_go_before_a_table_is_split() -> None:
    empty = [Column(f"e{number}", f"empty{number}", "number") for number in range(10)]
    values: dict[str, Value] = {"a": "x", "b": "1", **{column.key: None for column in empty}}
    table = Table("t", (Column("a", "a"), *empty, Column("b", "b", "number")), (Row(values),))
    assert "empty7" in "\n".join(drawn(table, 200))
    narrow = drawn(table, 60)
    assert "empty" not in "\n".join(narrow)
    assert [line.split() for line in narrow if "x" in line] == [["x", "1"]]
