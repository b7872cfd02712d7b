"""Outputs of commands: results are shown before files of them are written, and never lost."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.cli import main
from reid_srdl.files import temporary_beside
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import write_record
from tests.records.factory import record


def written(runs: Path, made: RunRecord) -> None:
    write_record(runs / made.name, made)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["reid-srdl", *map(str, arguments)])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


def places(folder: Path) -> dict[str, Path]:
    """Returns outputs that cannot be files, by their kind."""
    (folder / "file").write_text("")
    (folder / "dir.svg").mkdir()
    (folder / "loop.svg").symlink_to("loop.svg")
    os.mkfifo(folder / "pipe.svg")
    return {
        "folder": folder / "dir.svg",
        "below a file": folder / "file" / "a.svg",
        "far below a file": folder / "file" / "a" / "b.svg",
        "long": folder / f"{'a' * 300}.svg",
        "circle": folder / "loop.svg",
        "pipe": folder / "pipe.svg",
        "proc": Path("/proc/x.svg"),
        "full": Path("/dev/full"),
    }


KINDS = ("folder", "below a file", "far below a file", "long", "circle", "pipe", "proc", "full")


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown", "latex"])
@pytest.mark.parametrize("kind", KINDS)
def test_input_18_a_leaderboard_that_cannot_be_written_is_printed(
    kind: str,
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(tmp_path / "runs", record())
    output = places(tmp_path)[kind]
    before = sorted(tmp_path.rglob("*"))
    arguments = ("leaderboard", tmp_path / "runs", "--format", form, "--output", output)
    assert run(monkeypatch, *arguments) == 1
    printed = capsys.readouterr()
    assert "resnet50" in printed.out
    what, hint = printed.err.splitlines()
    assert what.startswith(f"error: {output}: can't write the leaderboard")
    assert hint.startswith("hint:  ")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_null_device_takes_a_leaderboard_and_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("devices can't be made here")
    written(tmp_path / "runs", record())
    for output in (device, tmp_path / "link"):
        if output != device:
            output.symlink_to(device)
        assert run(monkeypatch, "leaderboard", tmp_path / "runs", "--output", output) == 0
        assert stat.S_ISCHR(device.stat().st_mode)
    assert (tmp_path / "link").is_symlink()
    assert capsys.readouterr().out == ""


def features(path: Path) -> Path:
    draw = np.random.default_rng(0)
    np.savez(
        path,
        query_features=draw.normal(size=(4, 8)).astype("f4"),
        query_pids=np.arange(4) + 1,
        query_camids=np.ones(4, int),
        gallery_features=draw.normal(size=(20, 8)).astype("f4"),
        gallery_pids=np.arange(20) % 5 + 1,
        gallery_camids=np.full(20, 2),
    )
    return path


@pytest.mark.parametrize("kind", ["folder", "below a file", "long", "circle"])
def test_input_18_an_impossible_figure_is_told_before_the_work(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = places(tmp_path)[kind]
    arguments = ("index-study", features(tmp_path / "f.npz"), "--index", "Flat", "--plot", plot)
    assert run(monkeypatch, *arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"error: {plot}: can't write the figure" in printed.err
    assert run(monkeypatch, "analyse", "width", "nowhere", "--plot", plot) == 1
    assert f"error: {plot}: can't write the figure" in capsys.readouterr().err


def test_input_18_a_study_of_indexes_is_shown_before_its_figure_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("index-study", features(tmp_path / "f.npz"), "--retrieved", 9, "--plot")
    assert run(monkeypatch, *arguments, "/proc/x.svg") == 1
    printed = capsys.readouterr()
    assert "Flat" in printed.out
    assert "error: /proc/x.svg: can't write the figure" in printed.err


def test_extraction_refuses_an_impossible_file_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dir.npz").mkdir()
    assert run(monkeypatch, "extract", "nowhere", "-o", tmp_path / "dir.npz") == 1
    assert "dir.npz: can't write the features (Is a directory)" in capsys.readouterr().err


def test_no_output_leaves_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "runs", record())
    output = tmp_path / "tables" / "board.csv"
    run(monkeypatch, "leaderboard", tmp_path / "runs", "--format", "csv", "--output", output)
    assert [path.name for path in output.parent.iterdir()] == ["board.csv"]
    assert temporary_beside(output).parent == output.parent
    assert capsys.readouterr().out == ""
