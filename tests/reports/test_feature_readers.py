"""Readers of feature files that strangers made: whatever is wrong is named, and nothing hangs."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate
from reid_srdl.feature_files.reading import load_features
from tests.retrieval.test_features import good_arrays

DAMAGES = 200


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(path: Path, changes: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, array in good_arrays().items():
            file.writestr(f"{name}.npy", changes.get(name, npy(array)))
    return path


def folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    for name, array in good_arrays().items():
        np.save(path / f"{name}.npy", array)
    return path


def mat(path: Path, **extra: Any) -> Path:
    kinds = {"features": "f", "pids": "label", "camids": "cam"}
    made = {}
    for name, array in good_arrays().items():
        part, kind = name.split("_")
        made[f"{part}_{kinds[kind]}"] = array
    scipy.io.savemat(path, made | extra)
    return path


def refused(path: Path, *named: str) -> None:
    with pytest.raises(UserError) as raised:
        load_features(path)
    assert raised.value.exit_status == 1
    assert "\n" not in raised.value.what
    for part in (str(path), *named):
        assert part in raised.value.what


def header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(128 - 10 - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(80)


HEADERS = {
    "10^9 rows": header(f"({10**9}, 5)"),
    "10^30 rows": header(f"({10**30}, 5)"),
    "-5 rows": header("(-5, 5)"),
    "few rows": header("(2, 5)"),
    "narrower values": header("(4, 5)", "<f2"),
    "no shape": header("None"),
    "brackets": header("(" * 50),
    "open": header("(4, 5")[:128].replace(b"}", b" "),
    "text": b"hello, this is no array",
    "pickle": pickle.dumps(Trap()),
    "empty": b"",
    "no bytes": header("(1000000000000,)", "|V0"),
    "no such type": header("(4, 5)", "<q9"),
    "objects": header("(4, 5)", "|O"),
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("name", ["query_features", "gallery_features", "query_pids"])
def test_members_that_are_no_arrays_are_named(
    tmp_path: Path, case: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(zipped(tmp_path / "f.npz", {name: HEADERS[case]}), name)
    path = folder(tmp_path / "f")
    (path / f"{name}.npy").write_bytes(HEADERS[case])
    with pytest.raises(UserError, match=name):
        load_features(path)
    assert not (tmp_path / "sprung").exists()


def damaged(data: bytes, rng: np.random.Generator, first: int) -> bytes:
    """One flipped byte at ``first`` or after it, or a cut."""
    place = int(rng.integers(first, len(data)))
    if rng.random() < 0.2:
        return data[:place]
    changed = bytearray(data)
    changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed)


def tried(path: Path) -> bool:
    """Says whether a file can be evaluated; else its error must be one for users."""
    told = ""
    try:
        evaluate(load_features(path))
    except UserError as error:
        told = error.what
    assert "\n" not in told
    return not told


@pytest.mark.parametrize("form", ["stored.npz", "deflated.npz", "f.mat", "packed.mat"])
def test_200_damages_of_a_file_end_in_words(tmp_path: Path, form: str) -> None:
    whole = tmp_path / form
    if form.endswith(".npz"):
        zipped(whole, {}, zipfile.ZIP_STORED if form[0] == "s" else zipfile.ZIP_DEFLATED)
    else:
        mat(whole)
        if form[0] == "p":
            made = scipy.io.loadmat(whole)
            kept = {name: made[name] for name in made if name[0] != "_"}
            scipy.io.savemat(whole, kept, do_compression=True)
    data, rng = whole.read_bytes(), np.random.default_rng(len(form))
    assert tried(whole)
    bad, read = tmp_path / f"bad{whole.suffix}", 0
    for _ in range(DAMAGES):
        bad.write_bytes(damaged(data, rng, 0))
        read += tried(bad)
    assert read < DAMAGES  # of a .mat that is not packed, values may change unseen


def test_200_damages_of_an_array_in_a_folder_end_in_words(tmp_path: Path) -> None:
    path, rng = folder(tmp_path / "f"), np.random.default_rng(1)
    files = sorted(path.iterdir())
    for _ in range(DAMAGES):
        file = files[int(rng.integers(len(files)))]
        data = file.read_bytes()
        file.write_bytes(damaged(data, rng, 0)[: len(data)])
        tried(path)
        file.write_bytes(data)
    assert tried(path)


def test_every_flipped_byte_of_a_header_ends_in_words(tmp_path: Path) -> None:
    path = folder(tmp_path / "f")
    for name in ("query_pids", "gallery_features"):
        file = path / f"{name}.npy"
        data = file.read_bytes()
        for place in range(80):
            for flip in (1, 2, 8, 64):
                file.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])
                tried(path)
        file.write_bytes(data)


def test_a_zip_bomb_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = zipped(tmp_path / "f.npz", {})
    data = bytearray(path.read_bytes())
    place = data.rfind(b"gallery_features.npy")  # in the directory at the end
    size = 46 - 24  # the size unpacked stands 24 bytes into an entry of 46 before the name
    data[place - size : place - size + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    refused(path, "gallery_features")


def test_arrays_larger_than_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "f.npz", {})
    monkeypatch.setattr(os, "sysconf", lambda name: 10)
    refused(path)
    refused(mat(tmp_path / "f.mat"))


def test_what_is_no_plain_file_is_refused_and_nothing_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.npz")
    os.mkfifo(tmp_path / "f.mat")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    (tmp_path / "nowhere.npz").symlink_to("/nowhere")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    for name in ("f.npz", "f.mat", "zero.npz", "nowhere.npz", "loop.npz", "x" * 300 + ".npz"):
        refused(tmp_path / name)
    (tmp_path / "folder.npz").mkdir()
    refused(tmp_path / "folder.npz")
    path = folder(tmp_path / "f")
    for name, make in (("query_pids", os.mkfifo), ("gallery_camids", os.mkdir)):
        file = path / f"{name}.npy"
        data = file.read_bytes()
        file.unlink()
        make(file)
        with pytest.raises(UserError, match=f"{name}.npy: no plain file"):
            load_features(path)
        file.rmdir() if make is os.mkdir else file.unlink()
        file.write_bytes(data)
    assert tried(path)


def test_unreadable_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    files = zipped(tmp_path / "f.npz", {}), mat(tmp_path / "f.mat"), folder(tmp_path / "f")
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    for path in files:
        with pytest.raises(UserError, match="Permission denied"):
            load_features(path)


def test_the_command_says_so_in_two_lines(tmp_path: Path) -> None:
    path = zipped(tmp_path / "f.npz", {"query_pids": HEADERS["10^30 rows"]})
    done = subprocess.run(
        [sys.executable, "-m", "reid_srdl", "eval", "--features", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert "query_pids" in first
    assert second.startswith("hint:")
