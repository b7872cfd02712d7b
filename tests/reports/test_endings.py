"""Whatever goes wrong ends in two lines and a status; a traceback is shown by --debug alone."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from reid_srdl.cli import main
from reid_srdl.errors import UserError
from tests.cli.run import assert_told, reid_srdl
from tests.records.factory import record
from tests.reports.test_outputs import written

JOB = "reid_srdl.records.store.read_records"


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


def _circular() -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP), "a/b")


ERRORS: dict[str, tuple[BaseException, int, str, str]] = {
    "system": (_circular(), 1, "a/b: can't read or write it", "links lead in a circle"),
    "bytes": (OSError(errno.EIO, "broken", b"a\xff"), 1, "a\\xff", "reports a fault"),
    "nameless": (OSError(errno.ENOSPC, "full"), 1, "a file or standard output", "make room"),
    "numberless": (OSError("odd"), 1, "internal error: OSError: odd", "--debug"),
    "user": (UserError("x\ny", "do z"), 1, "error: x\\ny", "hint:  do z"),
    "usage": (UserError("x", "do z", usage=True), 2, "error: x", "hint:  do z"),
    "memory": (MemoryError(), 1, "out of memory", "smaller"),
    "GPU": (OutOfMemoryError("CUDA"), 1, "the GPU is out of memory", "--batch-size"),
    "depth": (RecursionError(), 1, "nested too deeply", "--debug"),
    "end": (EOFError(), 1, "a file is cut short", "fetch or write it again"),
    "end of x": (EOFError("x.npy"), 1, "ends too early (x.npy)", "again"),
    "letters": (
        *(UnicodeEncodeError("utf-8", "caf\udcff", 3, 4, "no"), 1),
        *("not UTF-8: caf\\xff", "rename it"),
    ),
    "import": (ImportError("no torch"), 1, "no torch", "reid-srdl doctor"),
    "other": (ValueError("a\nb\x1b[1m"), 1, "internal error: ValueError: a b\\x1b[1m", "--debug"),
    "long": (KeyError("x" * 5000), 1, "internal error: KeyError", "report it"),
}


def run(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, *more: str, runs: str = "runs"
) -> int:
    def fail(*arguments: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(JOB, fail)
    monkeypatch.setattr(sys, "argv", ["reid-srdl", "leaderboard", runs, *more])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


@pytest.mark.parametrize("kind", ERRORS)
def test_each_error_is_two_lines(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error, status, words, hint = ERRORS[kind]
    assert run(monkeypatch, error) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint:  ")
    assert words in first
    assert hint in second
    assert len(first) < 500


@pytest.mark.parametrize("kind", ERRORS)
def test_debug_shows_the_traceback_as_well(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, ERRORS[kind][0], "--debug") == ERRORS[kind][1]
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.splitlines()[-1].startswith("hint:  ")


def test_interrupts_and_closed_pipes_end_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, KeyboardInterrupt()) == 130
    assert run(monkeypatch, BrokenPipeError(errno.EPIPE, "gone")) == 1
    assert capsys.readouterr() == ("", "")


def test_a_wrong_call_is_told_in_two_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, words in (
        (["--nosuch"], "No such option: --nosuch"),
        (["--format", "x"], "'x' is not one of 'table'"),
        (["a", "b"], "unexpected extra argument"),
    ):
        assert run(monkeypatch, ValueError(), *more) == 2
        first, second = capsys.readouterr().err.splitlines()
        assert first.startswith("error: ")
        assert words in first
        assert second == "hint:  see reid-srdl leaderboard --help"


def test_debug_behind_two_dashes_is_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reid-srdl", "leaderboard", "--", "--debug"])
    with pytest.raises(SystemExit):
        main()
    assert "--debug: no such folder" in capsys.readouterr().err


def test_a_full_log_ends_nothing_and_a_full_output_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    written(tmp_path / "runs", record())
    command = f"{sys.executable} -m reid_srdl leaderboard runs"
    assert os.system(f"cd {tmp_path} && {command} 2>/dev/full >out") == 0
    assert "vanilla" in (tmp_path / "out").read_text()
    assert os.waitstatus_to_exitcode(os.system(f"cd {tmp_path} && {command} >/dev/full 2>err")) == 1
    first, second = (tmp_path / "err").read_text().splitlines()
    assert first.startswith("error: a file or standard output: can't")
    assert second.startswith("hint:  make room")


def test_letters_that_a_terminal_lacks_end_nothing(tmp_path: Path) -> None:
    written(tmp_path / "runs", record())
    done = reid_srdl("leaderboard", "runs", cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "\\xb1" in done.stdout
    done = reid_srdl("data", "check", os.fsdecode(b"caf\xff"), cwd=tmp_path)
    assert_told(done, "no such data set: 'caf", status=2)


def test_what_a_stream_cannot_take_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(sys, "stderr", Full())
    assert run(monkeypatch, ValueError("x")) == 1
