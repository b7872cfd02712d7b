"""Each error of the system at the writers beside a run: caches, sets, logs, features, figures."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reid_srdl.config.protocol import Protocol
from reid_srdl.data import load_dataset
from reid_srdl.data.cache import decoded
from reid_srdl.data.walkers.make import make_walkers
from reid_srdl.data.walkers.plan import Options
from reid_srdl.errors import FileError
from reid_srdl.evaluation import evaluate_by
from reid_srdl.feature_files.folders import write_folder
from reid_srdl.feature_files.reading import save_features, to_arrays
from reid_srdl.files import whole_file
from reid_srdl.jobs.embed import write_embeddings
from reid_srdl.jobs.runs import clear_caches
from reid_srdl.jobs.studies.process import RunProcess
from reid_srdl.jobs.studies.run import _locked
from reid_srdl.models.adapters.to_torchreid import write_checkpoint
from reid_srdl.models.fetching import imagenet_file
from reid_srdl.models.graphs.writing import WRITERS as WRITERS_OF_GRAPHS
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.phase_store import PhaseStore, link
from reid_srdl.records.tables import write_rank_lists
from reid_srdl.report.activation import draw_activation
from reid_srdl.report.figures import new_figure, save_figure
from reid_srdl.report.html.writing import write_page
from reid_srdl.report.pictures import write_pictures
from reid_srdl.report.rank_lists import Shown, shown_list
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.training.monitor import EpochRow
from tests.reports.runs import config, people
from tests.reports.test_errnos_10 import ERRORS, Failing
from tests.retrieval.test_rerank import people as rows


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """What can be made to fail by setting ``pattern`` and ``number``."""
    made = Failing(monkeypatch)
    yield made
    made.pattern = ""


def features() -> Features:
    part = FeatureSet(np.ones((2, 3), np.float32), np.array([1, 2]), np.array([1, 2]))
    return Features(part, part)


def image_cache(place: Path) -> None:
    decoded(load_dataset("folder", place / "set").query, fallback_size=(16, 16))


def run_lock(place: Path) -> None:
    with RunFolder(place / "run").locked():
        pass


def study_lock(place: Path) -> None:
    with _locked(place / "study"):
        pass


def rank_list() -> Shown:
    kept = evaluate_by(rows(3), Protocol(), keep=True).kept
    assert kept is not None
    return shown_list(kept, 0, 0.5)


def shared_phase(place: Path) -> None:
    (place / "source.x").write_bytes(b"weights")
    link(place / "source.x", place / "t.x")


def graph(place: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 1), (torch.ones(1, 2),))
    with whole_file(place / "g.pt2", "the exported network") as temporary:
        WRITERS_OF_GRAPHS[".pt2"](program, "features", temporary)


def checkpoint(place: Path) -> None:
    with whole_file(place / "w.pth", "the weights") as temporary:
        write_checkpoint(temporary, {"w": torch.ones(2)})


# What writes, the files that it cannot write, what the error calls them, and another way.
WRITERS: dict[str, tuple[Callable[[Path], Any], str, str, str]] = {
    "image cache": (image_cache, "*/decoded/*", "the image cache", "REID_SRDL_CACHE"),
    "walkers": (
        lambda place: make_walkers(place / "made", options=Options(2, 3, 2, 2)),
        "*/.walkers.*",
        "the data set",
        "--data-dir",
    ),
    "log": (
        lambda place: RunProcess("r", config(place, place), place / "logs" / "r.log"),
        "*/r.log",
        "the run's log",
        "",
    ),
    "features": (
        lambda place: save_features(place / "f.npz", features()),
        "*f.npz*",
        "the feat",
        "",
    ),
    "folder": (
        lambda place: write_folder(place / "f", to_arrays(features())),
        "*/.f.*",
        "the feat",
        "",
    ),
    "figure": (
        lambda place: save_figure(new_figure(1, 1), place / "f.svg"),
        "*f.svg*",
        "the fig",
        "",
    ),
    "embedded images": (
        lambda place: write_embeddings(place / "f.npz", ["a"], np.ones((1, 2), np.float32)),
        "*f.npz*",
        "the features",
        "",
    ),
    "table of queries": (
        lambda place: write_rank_lists(place / "t.csv", features(), []),
        "*t.csv*",
        "this file",
        "",
    ),
    "report": (
        lambda place: write_page(place / "r.html", "runs", "about", []),
        "*r.html*",
        "the report",
        "",
    ),
    "rank lists": (
        lambda place: write_pictures(place / "p", [rank_list()]),
        "*/p/*",
        "the picture",
        "",
    ),
    "activation": (
        lambda place: draw_activation(
            place / "a.png", ["n"], np.zeros((1, 8, 4, 3), np.uint8), [np.zeros((1, 2, 2), "f4")]
        ),
        "*a.png*",
        "the picture",
        "",
    ),
    "store": (
        lambda place: PhaseStore(place / "s").put("key", [], {"run": "r"}),
        "*/s/*",
        "the store of shared phases",
        "",
    ),
    "shared phase": (shared_phase, "*/t.x", "the shared phase", ""),
    "graph": (graph, "*g.pt2*", "the exported network", ""),
    "torchreid's weights": (checkpoint, "*w.pth*", "the weights", ""),
    "run's lock": (run_lock, "*/run/.lock", "the run's folder", ""),
    "study's lock": (study_lock, "*/study/.lock", "the study's folder", ""),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_point_10_each_error_at_each_writer(
    tmp_path: Path, cache: Path, failing: Failing, writer: str
) -> None:
    people(tmp_path / "set")
    write, failing.pattern, what, elsewhere = WRITERS[writer]
    for failing.number in ERRORS:
        failing.met = 0
        with pytest.raises(FileError) as caught:
            write(tmp_path)
        assert failing.met
        assert caught.value.errno == failing.number
        assert f"can't write {what}" in caught.value.what
        assert ".tmp" not in caught.value.what
        assert caught.value.hint
        assert elsewhere in caught.value.hint
        assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("number", ERRORS)
def test_point_10_weights_that_cannot_be_kept_are_no_lost_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("REID_SRDL_OFFLINE", raising=False)
    monkeypatch.setattr(torch.hub, "download_url_to_file", full)
    with pytest.raises(FileError, match="can't write the ImageNet weights") as caught:
        imagenet_file("resnet18")
    assert str(tmp_path) in caught.value.what
    assert "model.weights=FILE" in caught.value.hint


def test_point_10_a_cache_that_cannot_be_removed_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "decoded").mkdir(parents=True)

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "inner")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(FileError, match=r"decoded: can't remove it \(Read-only"):
        clear_caches()


def test_fault_14_a_damaged_line_of_metrics_does_not_end_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    process = RunProcess("r", config(tmp_path, tmp_path), tmp_path / "r.log")
    process.ask_to_stop()
    process.wait(60)
    (tmp_path / "r").mkdir()
    row = EpochRow(phase="p", epoch=1, epochs=2, networks={}, lr=0.1, images=8, seconds=7.0)
    good = row.model_dump_json().encode() + b"\n"
    (tmp_path / "r" / "metrics.jsonl").write_bytes(good + b"\xff{\n\n" + good + b'{"phase"')
    assert process.epoch_seconds() == [7.0, 7.0]
    process.log.unlink()
    assert "exit status" in process.error()


def test_fault_14_a_run_that_ended_before_it_read_its_settings_is_stopped_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(subprocess.Popen[str]):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.wait()

    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    monkeypatch.setattr(subprocess, "Popen", Ended)
    process = RunProcess("r", config(tmp_path, tmp_path), tmp_path / "r.log")
    process.ask_to_stop()
    assert process.status == 0
