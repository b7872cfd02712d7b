from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reid_srdl.data import load_dataset
from reid_srdl.data.archive import extracted
from reid_srdl.errors import UserError


def zipped(root: Path, archive: Path, inside: str = "Market-1501-v15.09.15/") -> Path:
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                content.write(path, inside + str(path.relative_to(root)))
    return archive


@pytest.mark.parametrize("inside", ["", "Market-1501-v15.09.15/"])
def test_zip_and_folder_with_zip(tiny: Path, tmp_path: Path, cache: Path, inside: str) -> None:
    place = tmp_path / "downloads"
    place.mkdir()
    archive = zipped(tiny, place / "Market-1501-v15.09.15.zip", inside)
    place.chmod(0o555)  # never written to
    for data_dir in (archive, place):
        data = load_dataset("market1501", data_dir)
        assert len(data.gallery) == 6
        assert data.root.is_relative_to(cache)
    place.chmod(0o755)
    assert [path.name for path in place.iterdir()] == [archive.name]


def test_changed_zip_is_extracted_anew(tiny: Path, tmp_path: Path, cache: Path) -> None:
    archive = zipped(tiny, tmp_path / "set.zip")
    first = extracted(archive, cache)
    assert extracted(archive, cache) == first
    (tiny / "query" / "0001_c3s1_000001_00.jpg").write_bytes(b"new")
    zipped(tiny, archive)
    second = extracted(archive, cache)
    assert second != first
    assert len(list(second.rglob("query/*.jpg"))) == 3


def with_entry(archive: Path, name: str, mode: int = 0o644 | stat.S_IFREG) -> Path:
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("set/query/0001_c1.jpg", b"good")
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        content.writestr(entry, "/etc/passwd")
    return archive


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../outside.jpg", stat.S_IFREG),
        ("set/../../outside.jpg", stat.S_IFREG),
        ("/tmp/outside.jpg", stat.S_IFREG),
        ("C:/outside.jpg", stat.S_IFREG),
        ("..\\outside.jpg", stat.S_IFREG),
        ("set/./here.jpg", stat.S_IFREG),
        ("set/link.jpg", stat.S_IFLNK),
        ("set/pipe.jpg", stat.S_IFIFO),
        ("set/device.jpg", stat.S_IFBLK),
    ],
)
def test_unsafe_entries(tmp_path: Path, cache: Path, name: str, mode: int) -> None:
    archive = with_entry(tmp_path / "bad.zip", name, mode | 0o644)
    with pytest.raises(UserError, match="refused for unsafe entries"):
        extracted(archive, cache)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == [archive]
    assert not list(cache.glob("archives/*.tmp"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names(tmp_path: Path, cache: Path) -> None:
    archive = with_entry(tmp_path / "bad.zip", "set/query/0001_c1.jpg")
    with pytest.raises(UserError, match="twice"):
        extracted(archive, cache)


def test_damaged_zips(tiny: Path, tmp_path: Path, cache: Path) -> None:
    whole = zipped(tiny, tmp_path / "whole.zip").read_bytes()
    middle = bytearray(whole)
    middle[400:500] = bytes(100)
    damaged = {
        "cut": whole[: len(whole) // 2],
        "middle": bytes(middle),
        "empty": b"",
        "text": b"no",
    }
    for name, content in damaged.items():
        archive = tmp_path / f"{name}.zip"
        archive.write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}\.zip: the zip is damaged"):
            load_dataset("market1501", archive)
    assert not [path for path in (cache / "archives").iterdir() if path.is_dir()]


def test_killed_while_extracting(tiny: Path, tmp_path: Path, cache: Path) -> None:
    archive = zipped(tiny, tmp_path / "set.zip")
    program = f"""
import time, zipfile
from pathlib import Path
from reid_srdl.data.archive import extracted
extract = zipfile.ZipFile.extract
def slow(*arguments):
    extract(*arguments)
    print("one", flush=True)
    time.sleep(60)
zipfile.ZipFile.extract = slow
extracted(Path({str(archive)!r}), Path({str(cache)!r}))
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"one\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert [path for path in os.listdir(cache / "archives") if path.endswith(".tmp")]  # noqa: PTH208
    assert len(list(extracted(archive, cache).rglob("*.jpg*"))) == 16
    assert not [path for path in os.listdir(cache / "archives") if path.endswith(".tmp")]  # noqa: PTH208
