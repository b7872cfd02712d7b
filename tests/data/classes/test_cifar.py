"""CIFAR in the official format, against torchvision's own reading of it."""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets

from reid_srdl.data import DATASETS, load_classes, load_dataset
from reid_srdl.data.check import check_dataset
from reid_srdl.data.classes import cifar
from reid_srdl.errors import UserError
from tests.data.classes.factory import accept, python2_pickle, write_cifar, write_tar
from tests.data.classes.test_pickles import Touch

NAMES = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
ORACLES = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}


@pytest.fixture(params=list(NAMES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_cifar(name, tmp_path / "data" / NAMES[name], monkeypatch)


def theirs(name: str, parent: Path, train: bool) -> Any:
    """Reads a folder with torchvision, without its sums."""
    oracle = ORACLES[name]
    without = {
        "train_list": [[file, None] for file, _ in oracle.train_list],
        "test_list": [[file, None] for file, _ in oracle.test_list],
        "meta": {**oracle.meta, "md5": None},
    }
    return type("WithoutSums", (oracle,), without)(parent, train=train)


def test_read_as_torchvision_reads_it(name: str, folder: Path) -> None:
    ours = load_classes(name, folder)
    for samples, train in ((ours.train, True), (ours.test, False)):
        expected = theirs(name, folder.parent, train)
        np.testing.assert_array_equal(samples.pixels, expected.data)
        assert samples.labels.tolist() == expected.targets
        assert samples.labels.dtype == np.int64
    assert list(ours.classes) == expected.classes
    assert len(ours.train) == 6 * len(cifar.FILES[name].train)


def test_our_sums_are_torchvisions() -> None:
    for name, oracle in ORACLES.items():
        sums = {**dict(oracle.train_list), **dict(oracle.test_list)}
        sums[oracle.meta["filename"]] = oracle.meta["md5"]
        assert cifar.FILES[name].md5 == sums
        assert DATASETS[name].md5 == {oracle.filename: oracle.tgz_md5}


def test_folder_parent_archive_and_what_holds_it(
    name: str, folder: Path, tmp_path: Path, cache: Path
) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    archive = write_tar(folder, downloads / DATASETS[name].archives[0])
    places = (folder, folder.parent, archive, downloads)
    found = [load_classes(name, place) for place in places]
    assert all((data.train.pixels == found[0].train.pixels).all() for data in found)
    assert [data.root.is_relative_to(cache) for data in found] == [False, False, True, True]


def test_a_corrupt_file_is_named_with_both_sums(name: str, folder: Path) -> None:
    victim = folder / cifar.FILES[name].train[-1]
    content = bytearray(victim.read_bytes())
    content[-100] ^= 1
    victim.write_bytes(content)
    found = hashlib.md5(content).hexdigest()
    official = cifar.FILES[name].md5[victim.name]
    with pytest.raises(UserError, match=f"{victim.name}: corrupt.*{found}.*{official}"):
        load_classes(name, folder)
    report = check_dataset(name, folder)
    assert not report.ok
    assert f"{victim.name}: corrupt" in report.problems[0].text
    assert [row.file for row in report.sums if row.md5 != row.official] == [victim.name]


def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    victim = folder / cifar.FILES[name].test[0]
    victim.unlink()
    with pytest.raises(UserError, match=f"{victim.name}: No such file"):
        load_classes(name, folder)
    problems = [problem.text for problem in check_dataset(name, folder).problems]
    assert f"{victim.name}: No such file or directory" in problems


def test_a_pickle_that_runs_code_is_refused_even_with_the_right_sum(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / cifar.FILES[name].meta).write_bytes(pickle.dumps({"x": Touch(tmp_path / "touched")}))
    accept(name, folder, monkeypatch)
    with pytest.raises(UserError, match=r"refused: asks for \w+\.getoutput"):
        load_classes(name, folder)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0] * 5}, "no labels for its 6 images"),
        ({"labels": [0] * 5 + [10]}, "labels 0 to 10, but 10 classes"),
        ({"labels": [0] * 5 + [-1]}, "labels -1 to 0"),
        ({"labels": ["a"] * 6}, "no labels"),
        ({"data": [1]}, "holds no images"),
        ({"data": np.zeros((6, 10), np.uint8)}, "holds no images"),
    ],
)
def test_a_batch_that_holds_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    folder = write_cifar("cifar10", tmp_path / "set", monkeypatch)
    content = {"labels": [0] * 6, "data": np.zeros((6, 3072), np.uint8), **change}
    (folder / "test_batch").write_bytes(python2_pickle(content))
    accept("cifar10", folder, monkeypatch)
    with pytest.raises(UserError, match=f"test_batch: .*{message}"):
        load_classes("cifar10", folder)


def test_check_counts_and_sums(name: str, folder: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    archive = write_tar(folder, tmp_path / DATASETS[name].archives[0])
    report = check_dataset(name, archive, lambda *done: told.append(done))
    files = cifar.FILES[name]
    assert [(row.split, row.counts.images) for row in report.rows] == [
        ("train", 6 * len(files.train)),
        ("test", 6),
    ]
    # The sums are right, the counts are not, and the archive is not the official one.
    assert {row.file for row in report.sums if row.md5 == row.official} == set(files.md5)
    problems = "\n".join(problem.text for problem in report.problems)
    assert f"train: {6 * len(files.train)} images where 50,000 are official" in problems
    assert f"test: 6 images where 10,000 are official, 6 classes where {files.classes}" in problems
    assert "not the official archive" in report.notes[0].text
    assert (name, len(files.md5), len(files.md5)) in told
    assert told[-1] == (f"{archive.name} (MiB)", 1, 1)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_special_files_in_a_tar_are_refused(
    tmp_path: Path, cache: Path, kind: bytes
) -> None:
    archive = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(archive, "w:gz") as content:
        entry = tarfile.TarInfo("cifar-100-python/train")
        entry.type, entry.linkname = kind, "/etc/passwd"
        content.addfile(entry)
    with pytest.raises(UserError, match=r"refused for unsafe entries.*link or special file"):
        load_classes("cifar100", archive)
    assert not list(cache.glob("archives/*.tmp"))


def test_paths_out_of_a_tar_and_damaged_tars(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(archive, "w:gz") as content:
        entry = tarfile.TarInfo("../outside")
        entry.size = 1
        content.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(UserError, match="path that leaves its folder"):
        load_classes("cifar100", archive)
    assert not (tmp_path / "outside").exists()
    whole = write_tar(folder, archive).read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text" * 999):
        archive.write_bytes(content)
        with pytest.raises(UserError, match=r"tar\.gz: the tar is damaged"):
            load_classes("cifar100", archive)


def test_the_wrong_kind_of_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of classes, not of persons"):
        load_dataset("cifar100", tmp_path)
    with pytest.raises(UserError, match="of persons, not of classes"):
        load_classes("market1501", tmp_path)
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="neither a split"):
        load_classes("cifar10", tmp_path)


def test_reading_needs_no_torch(folder: Path, name: str) -> None:
    program = (
        "import sys\nsys.modules['torch'] = None\n"
        "from reid_srdl.data import load_classes\nfrom pathlib import Path\n"
        "from reid_srdl.errors import UserError\n"
        f"try: load_classes({name!r}, Path({str(folder)!r}))\n"
        "except UserError as error: assert 'MD5' in error.what\nelse: raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
