"""The tables that commands print keep every word and digit, at 60 to 200 columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.cli import app
from reid_srdl.report import say
from reid_srdl.report.drawing import to_rich
from reid_srdl.report.tables import Table
from reid_srdl.shell.outcome import run as reid_srdl
from tests.reports.runs import classes, people, run, run_classes
from tests.reports.test_tables_whole import drawn

WIDTHS = (60, 61, 72, 80, 100, 132, 160, 200)
LONG = "a-network-that-was-trained-for-long"
RESULTS = Path(__file__).parents[2] / "results"
# Commands, and how many tables they print at least.
COMMANDS = {
    "runs list runs": 1,
    "data check folder --data-dir set": 1,
    "data check class-folder --data-dir classes": 1,
    "leaderboard runs --where model=tiny": 1,
    "compare runs/r runs/s": 1,
    f"cross runs/r runs/s runs/{LONG} --dataset folder --dataset market1501 --data-dir set "
    "--data-dir set2": 1,
    "eval runs/r --data-dir set2": 1,
    f"analyse noise classes-runs/r classes-runs/{LONG}:first --device cpu --draws 1 --steps 3": 1,
    f"analyse predictions classes-runs/r classes-runs/{LONG} --device cpu": 1,
    f"analyse agreement classes-runs/r classes-runs/{LONG} classes-runs/{LONG}:first "
    "--device cpu": 1,
    f"analyse ensemble classes-runs/r classes-runs/{LONG} --device cpu": 1,
    f"analyse entropy classes-runs/r classes-runs/{LONG} --device cpu": 1,
    f"analyse gradients classes-runs/{LONG}": 1,
    f"analyse width classes-runs/r classes-runs/{LONG} --device cpu --directions 1 --steps 3": 1,
    "study show table4 --scale 0.02 --runs " + str(RESULTS): 1,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs on people below ``runs``, on classes below ``classes-runs``, and their data."""
    place = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        patch.chdir(place)
        people(place / "set"), people(place / "set2")
        for name, seed in (("r", 0), ("s", 1), (LONG, 2)):
            run(place / "set", place / "runs", name, train={"seed": seed})
        classes(place / "classes")
        run_classes(place / "classes", place / "classes-runs", "r")
        watched: dict[str, Any] = {"method": {"name": "srdl"}, "watch": {"gradients": True}}
        run_classes(place / "classes", place / "classes-runs", LONG, **watched)
        yield place


@pytest.mark.parametrize("command", COMMANDS)
def test_13_every_word_and_digit_of_a_command_stands_there(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    printed: list[Table] = []

    def seen(table: Table, console: Any) -> Any:
        printed.append(table)
        return to_rich(table, console)

    monkeypatch.setattr(say, "to_rich", seen)
    monkeypatch.chdir(place)
    assert reid_srdl(app, command.split()) == 0
    assert len(printed) >= COMMANDS[command]
    for table in printed:
        for width in WIDTHS:
            assert_every_word(table, drawn(table, width))


def assert_every_word(table: Table, lines: list[str]) -> None:
    """Asserts that cells stand whole in a line; headings may be wrapped between words."""
    for column in table.shown:
        cells = {table.text(row, column) for row in table.rows} - {"-"}
        for part in (*cells, *(column.title or "").split() * bool(cells)):
            assert any(part in line for line in lines), part
    for word in f"{table.title} {' '.join(table.notes)}".split():
        assert any(word in line for line in lines), word
