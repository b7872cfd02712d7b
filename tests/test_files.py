"""Each error of the operating system at each writer, and outputs that are no plain files."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl import files
from reid_srdl.errors import FileError, UserError
from reid_srdl.feature_files.folders import write_folder
from reid_srdl.files import (
    append_line,
    remove_leftovers,
    temporary_beside,
    whole_file,
    write_json,
    write_text,
)
from reid_srdl.places import check_output, read_text
from reid_srdl.report.figures import new_figure, save_figure

ERRORS = (
    *("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ENAMETOOLONG"),
    *("EMFILE", "EIO", "ESTALE", "ENOENT", "ELOOP"),
)


def _figure(path: Path) -> None:
    save_figure(new_figure(1, 1), path.with_suffix(".svg"))


def _body(path: Path) -> None:
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, x=np.zeros(3))


WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: write_text(path, "text"),
    "json": lambda path: write_json(path, {"a": 1}),
    "array": _body,
    "figure": _figure,
    "folder": lambda path: write_folder(path / "folder", {"x": np.zeros(3)}),
}


CALLS = [
    (writer, call)
    for writer in WRITERS
    for call in ("open", "write", "fsync", "replace")
    if call != "write" or writer in ("text", "json")  # libraries write below os.write
]


def _fails(number: int) -> Callable[..., Any]:
    def refuse(*arguments: object, **options: object) -> Any:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize(("writer", "call"), CALLS)
def test_each_error_of_the_system_names_file_reason_and_way_out(
    name: str, writer: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = getattr(errno, name)
    target = tmp_path / "place" / "result"
    target.parent.mkdir()
    (target.parent / "result").write_text("old") if writer != "folder" else None
    monkeypatch.setattr(os, call, _fails(number))
    with pytest.raises(FileError) as raised:
        WRITERS[writer](target)
    monkeypatch.undo()
    error = raised.value
    assert error.errno == number
    assert error.what.startswith(str(target))
    assert "can't write" in error.what
    assert os.strerror(number) in error.what
    assert error.hint
    assert "\n" not in error.what + error.hint
    if writer != "folder":
        assert target.read_text() == "old"
    if (writer, call) != ("folder", "open"):  # a folder is opened to be removed
        assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_inside_the_body_is_told_of_the_file_that_was_meant(
    name: str, tmp_path: Path
) -> None:
    number = getattr(errno, name)
    with pytest.raises(FileError, match="result: can't write the checkpoint"):
        _interrupted(tmp_path / "result", OSError(number, os.strerror(number)))
    assert not list(tmp_path.iterdir())


def test_an_error_without_a_number_is_told_as_well(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="8 requested and 4 written"):
        _interrupted(tmp_path / "result", OSError("8 requested and 4 written"))


def _interrupted(path: Path, error: OSError) -> None:
    with whole_file(path, "the checkpoint") as temporary:
        temporary.write_text("half")
        raise error


def test_each_number_has_a_way_out_of_its_own() -> None:
    hints = {
        name: FileError(OSError(getattr(errno, name), "x"), Path("/x"), "write this file").hint
        for name in ERRORS
    }
    alike = {"EACCES", "EPERM"}
    assert len(set(hints.values())) == len(ERRORS) - 1
    assert len({hints[name] for name in alike}) == 1


@pytest.mark.parametrize("refused", [errno.EINVAL, errno.EACCES, errno.ENOTSUP])
def test_input_17_a_folder_that_cannot_be_synced_does_not_matter(
    refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def files_alone(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(refused, os.strerror(refused))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_alone)
    write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "real" / "file", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    for text in ("new", "newer"):  # first to nowhere, then to a file
        write_text(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    for _ in range(200):
        try:
            write_text(pipe, "text" * 50_000)
            break
        except FileError:  # the reader has not opened it yet
            threading.Event().wait(0.02)
    reader.join(10)
    assert read == ["text" * 50_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_nobody_reads_and_a_socket_are_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileError, match="pipe: can't write") as raised:
        write_text(pipe, "text")
    assert "start what reads" in raised.value.hint
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(FileError, match="socket: can't write"):
            write_text(tmp_path / "socket", "text")
        assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)


@pytest.fixture
def null(tmp_path: Path) -> Path:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_text("x")
    except OSError:
        pytest.skip("devices can't be made here")
    return device


def test_a_device_stays_a_device_and_a_link_to_it_a_link(null: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(null)
    for path in (null, link):
        check_output(path)
        write_text(path, "text")
        write_json(path, [1])
        assert stat.S_ISCHR(null.stat().st_mode)
        assert null.read_text() == ""
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "null"]


def test_a_disk_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    try:
        os.mknod(disk, 0o600 | stat.S_IFBLK, os.makedev(240, 199))
    except OSError:
        pytest.skip("devices can't be made here")
    for refuse in (check_output, lambda path: write_text(path, "text")):
        with pytest.raises(UserError, match="disk, which would be overwritten"):
            refuse(disk)


def test_impossible_places_are_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for path, words in {
        tmp_path: "Is a directory",
        tmp_path / "file" / "a": "file is a file, not a folder",
        tmp_path / "file" / "a" / "b": "file is a file, not a folder",
        tmp_path / ("a" * 300): "File name too long",
        tmp_path / "loop": "Too many levels of symbolic links",
    }.items():
        for refuse in (check_output, lambda path: write_text(path, "text")):
            with pytest.raises(FileError, match=words):
                refuse(path)
    check_output(tmp_path / "new" / "folder" / "file")
    assert not (tmp_path / "new").exists()


def test_a_name_of_full_length_can_be_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "ü" * 127, "\U0001f600" * 63):
        write_text(tmp_path / name, "text")
        assert (tmp_path / name).read_text() == "text"


def test_input_19_a_name_that_is_not_utf_8_is_escaped_in_what_is_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xff")
    write_json(tmp_path / "a.json", [name])
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.json").read_bytes() == b'[\n  "caf\\udcff"\n]\n'
    assert (tmp_path / "a.txt").read_bytes() == b"caf\\udcff"


def test_no_two_writers_share_a_temporary_name(tmp_path: Path) -> None:
    names = {temporary_beside(tmp_path / "a.json").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(f".a.json.{os.getpid()}.") for name in names)


def test_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / "phases" / name for name in ("a.json", ".lock", ".mine.tmp", "a.1.tmp")]
    gone = [temporary_beside(tmp_path / "phases" / "a.json"), temporary_beside(tmp_path / "b")]
    folder, elsewhere = temporary_beside(tmp_path / "c"), tmp_path.with_name("elsewhere")
    for path in (*kept, *gone, folder / "x.npy", elsewhere / temporary_beside(Path("d")).name):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (tmp_path / "linked").symlink_to(elsewhere)
    temporary_beside(tmp_path / "link").symlink_to(elsewhere)
    remove_leftovers(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in (*gone, folder))
    assert len(list(elsewhere.iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linked", "phases"]


@pytest.mark.parametrize("name", ERRORS)
def test_a_log_that_cannot_be_written_is_told_once_and_nothing_ends(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, number = tmp_path / "log", getattr(errno, name)
    assert append_line(log, "one")
    writes = os.write

    def half(descriptor: int, content: bytes) -> int:
        if len(content) < 4:
            raise OSError(number, os.strerror(number))
        return writes(descriptor, content[:2])

    monkeypatch.setattr(os, "write", half)
    assert not append_line(log, "three")
    assert not append_line(log, "four")
    monkeypatch.undo()
    assert append_line(log, "five")
    assert log.read_text() == "one\nfive\n"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {log}: can't write the log ({os.strerror(number)})")
    files._told.clear()


def test_reading_says_why_not(tmp_path: Path, null: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"caf\xff")
    for name, words in {
        "pipe": "a device or a pipe",
        "null": "a device or a pipe",
        "bytes": "not a text file in UTF-8",
        "nowhere": "can't read the record",
        ".": "Is a directory",
    }.items():
        with pytest.raises(UserError, match=words):
            read_text(tmp_path / name, "the record")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yields a disk of 64 KiB and 16 inodes, where the test may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=16", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("writer", WRITERS)
def test_input_18_a_disk_that_is_full_without_inodes_or_read_only(
    writer: str, small_disk: Path
) -> None:
    old = small_disk / "old"
    old.write_bytes(b"x" * 60_000)
    (small_disk / "rest").write_bytes(b"x" * 4_096)
    with pytest.raises(FileError, match=r"can't write .*\((No space|\d+ requested)"):
        WRITERS[writer](small_disk / "new")
    (small_disk / "rest").unlink()
    for number in range(16):
        with contextlib.suppress(OSError):
            (small_disk / f"{number}").touch()
    with pytest.raises(FileError, match="No space left on device"):
        WRITERS[writer](small_disk / "new")
    assert not [path for path in small_disk.rglob("*") if path.name.endswith(".tmp")]
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(FileError, match="Read-only file system"):
        WRITERS[writer](small_disk / "new")
    with pytest.raises(FileError, match="Read-only file system"):
        check_output(small_disk / "other")


def test_what_is_not_there_to_be_read_has_a_hint_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileError) as raised:
        read_text(tmp_path / "none")
    assert "spelt" in raised.value.hint
    made = FileError(OSError(errno.ENOENT, "x"), tmp_path / "none", "write this file")
    assert "where files can be made" in made.hint
