"""Each error of the system at each writer of a run: two lines, nothing lost, and it goes on."""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reid_srdl.errors import FileError
from reid_srdl.jobs.evaluate import evaluate_run
from reid_srdl.jobs.search import search_run
from reid_srdl.records.store import read_record
from reid_srdl.seals import name_of, read_seals
from reid_srdl.training.tensorboard import TensorBoardLog
from tests.reports.runs import Listener, people, run

ERRORS = (
    *(errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.EMFILE, errno.EIO, errno.ESTALE),
)
# What a run writes, and whether it can do without.
WRITERS = {
    "*/r/config.yaml": False,
    "*/r/data.json": False,
    "*/r/checksums.json": False,
    "*/phases/first-*.safetensors": False,
    "*/phases/*.npy": False,
    "*/phases/second-*.safetensors": False,
    "*/weights/srdl.safetensors": False,
    "*/ranks/*.npz": False,
    "*/r/record.json": False,
    "*/r/metrics.jsonl": True,
}
SRDL: dict[str, Any] = {"method": {"name": "srdl"}, "eval": {"enabled": True}}


class Failing:
    """Refuses to open or to rename to a file for writing, with an error of the system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pattern, self.number, self.met = "", 0, 0
        opened, replaced, path_open = os.open, os.replace, Path.open

        def open_(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                self.check(path)
            return opened(path, flags, *more, **named)

        def replace(source: Any, target: Any, **named: Any) -> None:
            self.check(target)
            replaced(source, target, **named)

        def open_path(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
            if set(mode) & set("wxa+"):
                self.check(path)
            return path_open(path, mode, *more, **named)

        monkeypatch.setattr(os, "open", open_)
        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(Path, "open", open_path)

    def check(self, path: Any) -> None:
        if self.pattern and fnmatch.fnmatch(os.fsdecode(path), self.pattern):
            self.met += 1
            raise OSError(self.number, os.strerror(self.number), os.fsdecode(path))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """What can be made to fail by setting ``pattern`` and ``number``."""
    made = Failing(monkeypatch)
    yield made
    made.pattern = ""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A set of people and a run on it that nothing disturbed, ``whole/r``."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        run(people(place / "set"), place / "whole", **SRDL)
        yield place


@pytest.mark.parametrize("writer", WRITERS)
def test_point_10_each_error_at_each_writer_of_a_run(
    place: Path, tmp_path: Path, failing: Failing, writer: str
) -> None:
    runs = tmp_path / "runs"
    for number in ERRORS:
        failing.pattern, failing.number, failing.met = writer, number, 0
        if WRITERS[writer]:
            run(place / "set", runs, errno.errorcode[number], **SRDL)
            continue
        with pytest.raises(FileError) as caught:
            run(place / "set", runs, **SRDL)
        assert caught.value.errno == number
        assert fnmatch.fnmatch(caught.value.what.partition(": can't ")[0], writer)
        assert os.strerror(number) in caught.value.what or number == errno.ENOTDIR
        assert caught.value.hint
        assert not list(runs.rglob("*.tmp"))
        assert failing.met
        if number != ERRORS[-1] and runs.exists():
            shutil.rmtree(runs)
    failing.pattern = ""
    said = Listener()
    made = run(place / "set", runs, listener=said, **SRDL)
    assert not [line for line in said.warnings if "damaged" in line]
    assert made.evaluations == read_record(place / "whole/r").evaluations
    ours, theirs = (
        load_file(top / "r/weights/srdl.safetensors") for top in (runs, place / "whole")
    )
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("number", ERRORS)
def test_point_10_events_that_cannot_be_written_end_nothing(
    tmp_path: Path, failing: Failing, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    failing.pattern, failing.number = "*/tensorboard/*", number
    log = TensorBoardLog(tmp_path)
    log.phase_opened("first", 1.0, [])
    log.warned("slow")
    log.evaluated("r", {"mAP": 0.5})
    log.close()
    assert failing.met
    (line,) = capfd.readouterr().err.splitlines()
    assert "can't write the events for TensorBoard" in line
    assert line.endswith("the work goes on without it")
    failing.pattern = ""
    TensorBoardLog(tmp_path).close()
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert name_of(events) in read_seals(tmp_path)


@pytest.mark.parametrize("number", ERRORS)
def test_point_10_a_gallery_that_cannot_be_kept_is_searched(
    place: Path, tmp_path: Path, failing: Failing, number: int
) -> None:
    shutil.copytree(place / "whole/r", tmp_path / "r")
    failing.pattern, failing.number = "*/search/*", number
    lost: list[FileError] = []
    image = next((place / "set/query").iterdir())
    found = search_run(tmp_path / "r", image, k=2, device="cpu", refused=lost.append)
    assert len(found.results) == 2
    assert [error.errno for error in lost] == [number]


@pytest.mark.parametrize("number", ERRORS)
def test_point_10_a_later_evaluation_that_cannot_be_recorded_keeps_its_scores(
    place: Path, tmp_path: Path, failing: Failing, number: int
) -> None:
    shutil.copytree(place / "whole/r", tmp_path / "r")
    failing.pattern, failing.number = "*/evaluations/*.json", number
    lost: list[FileError] = []
    _, result, _ = evaluate_run(
        tmp_path / "r", changes={"distance": "cosine"}, device="cpu", refused=lost.append
    )
    assert result.evaluation.single_query.queries
    assert [error.errno for error in lost] == [number]


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_18_a_folder_of_runs_that_is_a_file_is_told_as_that(
    place: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "f.npz").write_bytes(b"features")
    with pytest.raises(FileError, match=r"f\.npz is a file, not a folder") as caught:
        run(place / "set", tmp_path / "f.npz" / below)
    assert caught.value.hint == "name a place whose folders are folders"
