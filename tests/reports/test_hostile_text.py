"""What a person, a file or a record named is shown, and never obeyed: in every form of output."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.cli import main
from reid_srdl.records.run import DatasetFacts
from reid_srdl.records.store import write_record
from reid_srdl.report.progress import Display
from reid_srdl.report.render import to_csv, to_json, to_latex, to_markdown
from reid_srdl.report.say import drawn, say, show, show_pairs, tell
from reid_srdl.report.tables import Column, Row, Table
from reid_srdl.texts import csv_cell, json_text, plain
from tests.records.factory import DATASET, record

HOSTILE = {
    "colour": "a\x1b[31mred\x1b[0m",
    "title": "a\x1b]0;owned\x07b",
    "C1": "a\x9b31mb\x9d0;x\x9c",
    "bell": "a\x07\x08\x7fb",
    "forged": "a\nhint:  rm -rf /\r\nerror: b",
    "line": "a\u2028b\u2029c\x0bd\x0ce\x85f",
    "turned": "a\u202egnp.exe\u202c\u2066b\u2069\u200f",
    "invisible": "a\u200b\ufeff\u2060b\U000e0041",
    "bytes": "caf\udcff",
    "markup": "a[red]b[/red] [/x] [link=file:///etc/passwd]c",
    "cells": "a|b & c \\ {d} $e$ <f> `g` *h* _i_ #j ~k ^l %m",
    "tab": "a\tb",
}
FORMULAS = ("=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "＝1")


def is_harmless(text: str) -> bool:
    kinds = {unicodedata.category(character) for character in text.replace("\n", "")}
    turned = re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    return not kinds & {"Cc", "Cs", "Zl", "Zp"} and not turned


def table(name: str) -> Table:
    column = Column("name", f"name {name}", unit=name, group=name)
    return Table(
        f"of {name}",
        (column, Column("n", "n", "count")),
        (Row({"name": name, "n": 7}),),
        (f"about {name}",),
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_form_of_a_table_lets_it_through(kind: str) -> None:
    name = HOSTILE[kind]
    for form in (to_csv, to_json, to_latex, to_markdown):
        assert is_harmless(form([table(name)])), form
    shown = drawn([table(name)], to_terminal=False)
    assert is_harmless(shown)
    assert plain(name) in shown
    lines = drawn([table("x")], to_terminal=False).splitlines()
    assert len(shown.splitlines()) == len(lines)


@pytest.mark.parametrize("kind", HOSTILE)
def test_json_keeps_the_very_text(kind: str) -> None:
    (row,) = json.loads(to_json([table(HOSTILE[kind])]))["rows"]
    assert row["name"] == HOSTILE[kind]


@pytest.mark.parametrize("kind", HOSTILE)
def test_markdown_and_latex_keep_their_shape(kind: str) -> None:
    markdown = to_markdown([table(HOSTILE[kind])])
    bare = re.sub(r"\\.", "", markdown)
    rows = [line for line in bare.splitlines() if line.startswith("|")]
    assert [row.count("|") for row in rows] == [3, 3, 3]
    assert not re.search(r"[<>`\[\]&$~]", bare)
    latex = to_latex([table(HOSTILE[kind])])
    assert len(latex.splitlines()) == len(to_latex([table("x")]).splitlines())
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert len(re.findall(r"(?<!\\)&", body)) == 1
    assert len(re.findall(r"(?<!\\)\{", latex)) == len(re.findall(r"(?<!\\)\}", latex))


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_csv_cell_is_no_formula(formula: str) -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([table(formula)])))
    assert row["name"][0] in "'\\"
    assert row["name"].removeprefix("'") == plain(formula)
    assert row["n"] == "7"


def test_numbers_and_dashes_are_no_formulas() -> None:
    assert [csv_cell(value) for value in ("-0.5", "+1.2", "-", -1, None, "a=b")] == [
        *("-0.5", "+1.2", "-", -1, None, "a=b")
    ]


@given(st.text(st.characters(), max_size=30))
def test_any_text_becomes_harmless_and_json_keeps_it(text: str) -> None:
    assert is_harmless(plain(text))
    assert "\n" not in plain(text)
    assert is_harmless(json_text([text]))
    assert json.loads(json_text([text])) == [text]
    assert plain(plain(text)) == plain(text)


def test_letters_of_all_scripts_stay() -> None:
    text = "naïve Ω 图 한 ع न́ e\u0301 👩\u200d🔬 ± 10¹⁶"
    assert plain(text) == text
    assert json.loads(json_text(text)) == text
    assert text in json_text(text)


@pytest.mark.parametrize("kind", HOSTILE)
def test_lines_and_pairs_are_printed_harmless(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = HOSTILE[kind]
    say(name)
    tell(f"note: {name}")
    show_pairs([(name, f"{name} b")])
    show(table(name))
    printed = capsys.readouterr()
    assert is_harmless(printed.out + printed.err)
    assert printed.out.splitlines()[0] == plain(name)
    assert printed.err.splitlines() == [f"note: {plain(name)}"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_said_while_a_run_works_is_harmless(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reid_srdl.report.progress._QUIET_SECONDS", 0.0)
    name = HOSTILE[kind]
    with Display() as display:
        display.noted(f"{name}: finished")
        display.warned(name)
        display.steps(name, 1, 2)
    printed = capsys.readouterr().err
    assert is_harmless(printed)
    told = [f"{name}: finished", f"warning: {name}", f"{name}: 1 of 2 (50%)"]
    assert printed.splitlines() == [plain(line) for line in told]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["reid-srdl", *map(str, arguments)])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "latex", "table"])
@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind != "bytes"])
def test_records_of_strangers_reach_every_form_escaped(
    kind: str,
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = HOSTILE[kind]
    dataset: DatasetFacts = DATASET.model_copy(update={"name": name})
    made = record().model_copy(update={"model": name, "dataset": dataset})
    write_record(tmp_path / "run", made)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record.json").write_text("{")
    assert run(monkeypatch, "leaderboard", tmp_path, "--format", form) == 0
    printed = capsys.readouterr()
    assert is_harmless(printed.out + printed.err)
    if form == "json":
        assert json.loads(printed.out)["rows"][0]["network"] == name


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind != "bytes"])
def test_a_name_forges_no_hint(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ("leaderboard", HOSTILE[kind]),
        ("leaderboard", "--format", HOSTILE[kind]),
        (HOSTILE[kind],),
        ("study", "show", HOSTILE[kind]),
        ("compare", HOSTILE[kind], HOSTILE[kind]),
        ("data", "check", HOSTILE[kind]),
        ("search", HOSTILE[kind], "x.jpg"),
    ):
        assert run(monkeypatch, *arguments) in (1, 2)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert is_harmless(printed.err)
        what, hint = printed.err.splitlines()
        assert what.startswith("error: ")
        assert hint.startswith("hint:  ")


def test_names_in_features_reach_files_of_them_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*HOSTILE.values(), *FORMULAS]
    count, draw = len(names), np.random.default_rng(0)
    arrays = {
        f"{part}_{key}": value
        for part, camera in (("query", 1), ("gallery", 2))
        for key, value in {
            "features": draw.normal(size=(count, 4)).astype("f4"),
            "pids": np.arange(count) + 1,
            "camids": np.full(count, camera),
            "names": np.array(names),
        }.items()
    }
    np.savez(tmp_path / "f.npz", **arrays)
    for form in ("csv", "json"):
        queries, lists = tmp_path / f"q.{form}", tmp_path / f"l.{form}"
        options = ("--per-query", queries, "--top-k", 2, "--rank-lists", lists)
        assert run(monkeypatch, "eval", "--features", tmp_path / "f.npz", *options) == 0
        for path in (queries, lists):
            text = path.read_text()
            assert is_harmless(text)
            if form == "json":
                told = [row.get("name", row.get("query_name")) for row in json.loads(text)]
                assert set(told) == {plain(name) for name in names}
            else:
                rows = list(csv.DictReader(io.StringIO(text)))
                cells = [value for row in rows for value in row.values()]
                assert not [cell for cell in cells if re.match(r"[=@+\t]|-(?![\d.])", cell)]
