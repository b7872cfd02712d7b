"""``reid-srdl leaderboard`` from the shell's side."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from reid_srdl.cli import main
from reid_srdl.records.store import write_record
from tests.records.factory import DATASET, features_record, record


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for seed in (0, 1):
        for method, rank1 in (("vanilla", 0.875), ("srdl", 0.893)):
            made = record(method, seed, rank1 + seed / 100)
            write_record(folder / made.name, made)
    walkers = DATASET.model_copy(update={"name": "walkers"})
    write_record(folder / "small", record(dataset=walkers))
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["reid-srdl", "leaderboard", *map(str, arguments)])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


def test_prints_rows_and_gains_as_in_table_3(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, runs) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    (srdl,) = [line for line in lines if "srdl" in line]
    assert srdl.split()[:8] == ["resnet50", "srdl", "25.0", "120", "0.415", "1.22", "1", "89.8"]
    (gain,) = [line for line in lines if "gain (SRDL - vanilla)" in line]
    assert "+1.8 ± 0.0 (2)" in gain
    assert printed.err == ""


def test_reads_runs_of_the_working_folder_by_default(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs.parent)
    assert run(monkeypatch) == 0
    assert "gain (SRDL - vanilla)" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "latex", "table"])
def test_every_format_stands_alone_on_stdout(
    form: str, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "broken").mkdir()
    (runs / "broken" / "record.json").write_text("{")
    again = record("srdl", 1, 0.5, days=1)
    write_record(runs / "again", again)
    assert run(monkeypatch, runs, "--format", form) == 0
    printed = capsys.readouterr()
    assert "broken" in printed.err
    assert "broken" not in printed.out
    if form == "json":
        tree = json.loads(printed.out)
        assert [row["method"] for row in tree["rows"]] == ["vanilla", "srdl", "vanilla"]
        (gain,) = tree["gains"]
        assert gain["method"] == "gain (SRDL - vanilla)"
        assert gain["single_rank1"]["mean"] == pytest.approx((0.893 + 0.5) / 2 - 0.88)
    elif form == "csv":
        assert len(list(csv.DictReader(io.StringIO(printed.out)))) == 4
    elif form == "markdown":
        assert printed.out.count("\n| :---") == 2
    elif form == "latex":
        assert printed.out.count(r"\toprule") == 2
    stands_twice = printed.err if form in ("json", "csv") else printed.out
    assert "stands twice" in stands_twice.replace("\n", " ")


def test_one_data_set_alone(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, runs, "--dataset", "walkers", "--format", "json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["dataset"] == "walkers"
    assert run(monkeypatch, runs, "--dataset", "walker") == 2
    printed = capsys.readouterr()
    assert "error: --dataset walker" in printed.err
    assert "did you mean 'walkers'?" in printed.err


def test_features_from_elsewhere_have_empty_cells_for_what_is_not_known(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(runs / "theirs", features_record())
    assert run(monkeypatch, runs, "--format", "json") == 0
    printed = capsys.readouterr()
    (row,) = [row for row in json.loads(printed.out)["rows"] if row["network"] == "theirs"]
    told = ("method", "method_name", "parameters", "epochs", "trcost", "work", "seeds")
    assert [row[key] for key in told] == [None] * 6 + [[]]
    assert row["single_rank1"] == {"mean": 0.6, "sd": None, "n": 1}
    assert "theirs: not trained here" in printed.err
    assert run(monkeypatch, runs, "--format", "csv") == 0
    table = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [row["epochs"] for row in table if row["network"] == "theirs"] == [""]
    assert run(monkeypatch, runs) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.split()[:1] == ["theirs"]]
    assert line.split()[:2] == ["theirs", "60.0"]


def test_output_goes_to_a_file_whole(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("csv", "table"):
        target = runs.parent / "tables" / f"board.{form}"
        assert run(monkeypatch, runs, "--format", form, "--output", target) == 0
        printed = capsys.readouterr()
        assert printed.out == ""
        assert str(target) in printed.err
        assert "gain (SRDL - vanilla)" in target.read_text()
        assert [path.name for path in target.parent.iterdir() if path.suffix == ".tmp"] == []


def test_no_runs_end_in_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "nowhere") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    what, hint = printed.err.splitlines()
    assert what.startswith("error: ")
    assert "no such folder" in what
    assert hint.startswith("hint:  train one with reid-srdl train")
