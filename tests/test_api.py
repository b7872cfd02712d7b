"""The public API on a small run: docstrings' examples, paths as text, images, cross."""

from __future__ import annotations

import csv
import doctest
import inspect
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import reid_srdl
from reid_srdl.data.people.kept_split import split_text
from reid_srdl.errors import UserError
from reid_srdl.files import write_text
from reid_srdl.jobs import cross as job
from reid_srdl.jobs.cross import cross_runs
from reid_srdl.jobs.listener import Silence
from reid_srdl.methods import METHODS
from reid_srdl.records.comparison import Settings
from reid_srdl.records.crossed import Crossed
from tests.class_set import write_class_folder
from tests.cli.run import assert_told, reid_srdl_here
from tests.small_set import write_small_set

ROOT = Path(__file__).parent.parent
SMALL = {
    "data": {"name": "folder", "dir": "set", "height": 32, "width": 16},
    "model": {"name": "resnet18"},
    "train": {"epochs": 1, "device": "cpu", "threads": 1},
    "optim": {"batch_size": 12},
    "eval": {"enabled": False},
}
NO_EXAMPLE = ("OPTIONS", "__version__")  # no functions
QUERY = "set/query/0101_c1s1_000000_00.jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small set, ``set``, another one, ``other``, and two runs of the first; and
    ``classes`` with a run."""
    place = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        write_small_set(place / "set")
        write_small_set(place / "other", test=5)
        reid_srdl.train({**SMALL, "run": {"name": "small"}, "eval": {}}, method="vanilla")
        large = {**SMALL, "data": {**SMALL["data"], "height": 48}, "run": {"name": "large"}}
        reid_srdl.train(large, method="vanilla")
        write_class_folder(place / "classes")
        data = {"name": "class-folder", "dir": "classes", "height": 20, "width": 20}
        own = {
            "data": data,
            "model": {"name": "resnet20"},
            "run": {"dir": "class-runs", "name": "small"},
        }
        reid_srdl.train({**SMALL, **own}, method="vanilla")
        features, _ = reid_srdl.features_of_run("runs/small")
        reid_srdl.save_features("features.npz", features)
    return place


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("REID_SRDL_CACHE", str(place / "cache"))


@pytest.mark.parametrize("name", [name for name in reid_srdl.__all__ if name not in NO_EXAMPLE])
def test_the_docstrings_examples_run(name: str, place: Path) -> None:
    public = getattr(reid_srdl, name)
    example = doctest.DocTestFinder(recurse=False).find(public, name)[0]
    assert example.examples, f"{name}: its docstring has no example"
    for one in example.examples:
        one.options.pop(doctest.SKIP, None)  # those that need a run
    example.globs = {**vars(inspect.getmodule(public)), "np": np}
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert found.failed == 0


def close(a: Any, b: Any) -> bool:
    """Whether features differ by rounding alone; batches of other sizes round otherwise."""
    return bool(np.abs(a - b).max() <= 1e-5 * np.abs(b).max())


def test_images_of_each_kind_have_the_features_of_an_evaluation(place: Path) -> None:
    run = reid_srdl.open_run("runs/small")
    features, _ = reid_srdl.features_of_run("runs/small", device="cpu")
    names = list(features.query.names or ())
    files = [place / "set/query" / name for name in names]
    pictures = [Image.open(file) for file in files]
    arrays = [np.asarray(picture) for picture in pictures]
    for images in (files, [str(file) for file in files], pictures, arrays, np.stack(arrays)):
        assert close(run.embed(images), features.query.features)
    one = run.embed(files[0])
    assert one.shape == (1, 512)
    assert close(one, run.embed(pictures[0]))
    mixed = run.embed([pictures[0].resize((30, 70)), files[0]])
    assert close(mixed[1], one[0])
    for bad, words in (
        ([], "no images"),
        (["nowhere.jpg"], "nowhere.jpg"),
        ([np.zeros((4, 4), np.uint8)], r"image 0 is an array of \(4, 4\)"),
        ([arrays[0], 7], "image 1 is a int"),
    ):
        with pytest.raises(UserError, match=words):
            run.embed(bad)


def test_a_run_searches_evaluates_and_shows_its_curves() -> None:
    run = reid_srdl.open_run("runs/small")
    answer = run.search(QUERY, "set/bounding_box_test", k=4)
    assert [found.rank for found in answer.results] == [1, 2, 3, 4]
    T = answer.results[1].distance  # noqa: N806 - the option's own name
    assert run.search(QUERY, k=4, gallery="set/bounding_box_test", threshold=T).farther == 2
    scored = run.evaluate(changes={"distance": "cosine"})
    assert scored.evaluation.protocol.distance == "cosine"  # type: ignore[union-attr]
    assert run.evaluate().evaluation == run.record.result  # type: ignore[union-attr]
    (epoch,) = run.curves()
    assert {"epoch", "phase"} <= epoch.keys()
    assert not run.network().training
    assert repr(run) == "open_run('runs/small')"


def test_what_cannot_be_asked_from_python_is_told(place: Path) -> None:
    run = reid_srdl.open_run("runs/small")
    with pytest.raises(UserError, match="no network 'no-such'") as caught:
        run.network("no-such")
    assert "choose from: vanilla" in caught.value.hint
    one = {"query_pids": [1], "query_camids": [1], "gallery_pids": [1, 2], "gallery_camids": [2, 2]}
    for matrix, rate, words in (
        ([[0.1], [0.2, 0.3]], None, "distances: rows of unlike lengths"),
        ([[0.1, 0.2]], 2.0, "verify=2.0: not a false positive rate"),
    ):
        with pytest.raises(UserError, match=words):
            reid_srdl.evaluate_distances(matrix, **one, verify=rate)  # type: ignore[arg-type]
    for patterns, words in (
        ("cam", "patterns='cam': nothing reads it"),
        ({"kamera": "cam"}, "nothing reads it"),
        ({"camera": "cam("}, "camera is not a pattern"),
    ):
        with pytest.raises(UserError, match=words):
            reid_srdl.load_dataset("people", "set", patterns=patterns)  # type: ignore[arg-type]


def test_people_and_their_kept_split_are_read_by_texts(place: Path) -> None:
    rng = np.random.default_rng(0)
    for person in "abcd":
        (place / "people" / person).mkdir(parents=True)
        for name in ("cam1_0", "cam2_0", "cam2_1"):
            pixels = rng.integers(0, 256, (8, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "people" / person / f"{name}.png")
    told = {"camera": r"cam(\d)"}
    data = reid_srdl.load_dataset("people", "people", patterns=told)
    assert data.drawn is not None
    write_text(place / "split.csv", split_text(data.drawn))
    again = reid_srdl.load_dataset("people", "people", patterns=told, kept_split="split.csv")
    assert list(again.query.paths) == list(data.query.paths)
    assert set(again.gallery.camids.tolist()) == {1, 2}


def test_methods_are_given_as_objects_and_only_those_that_a_file_defines() -> None:
    small = {**SMALL, "run": {"name": "small"}, "eval": {}}
    read_back = reid_srdl.train(small, method=METHODS["vanilla"])
    assert read_back == reid_srdl.read_record("runs/small")
    with pytest.raises(UserError, match="no file defines it"):
        reid_srdl.train(SMALL, method=lambda trainer, epochs, options: {})
    with pytest.raises(UserError, match="method"):
        reid_srdl.train(SMALL, method="no-such")
    with pytest.raises(UserError, match="beside a listener"):
        reid_srdl.train({**SMALL, "run": {"name": "small"}}, Silence(), progress=True)


def run_example(name: str, *words: str | Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")


def test_the_examples_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = reid_srdl.load_features("features.npz")
    run_example("own_features.py", "features.npz")
    told = capsys.readouterr().out
    wanted = reid_srdl.evaluate(features).evaluation.single_query
    assert f"euclidean: mAP {wanted.mAP:.4f}" in told
    assert "one person within" in told
    run_example("own_crops.py", "runs/small", QUERY, "set/bounding_box_test")
    shown = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert shown[:3] == pytest.approx(shown[3:], abs=1e-3)
    (place / "mine").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "mine")
        run_example("own_method.py", place / "set")
    told = capsys.readouterr().out
    assert "own_method.py:program" in told
    assert "vanilla" in told


def cross(*words: str, streams: pytest.CaptureFixture[str], status: int = 0) -> Any:
    done = reid_srdl_here("cross", *words, streams=streams)
    assert done.returncode == status, done.stderr
    return done


def test_cross_is_each_networks_own_evaluation(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "_IMAGES", 8)
    monkeypatch.setattr(job, "Settings", lambda: Settings(resamples=199))
    found: list[Crossed] = []

    def once(*words: Any, **options: Any) -> Crossed:
        found.append(found[0] if found else cross_runs(*words, **options))
        return found[0]

    monkeypatch.setattr(job, "cross_runs", once)
    sets = ("--dataset", "folder", "--data-dir", "set", "--dataset", "market1501")
    words = ("runs/small", "runs/large", *sets, "--data-dir", "other")
    done = cross(*words, "--format", "json", "--plot", "c.svg", streams=capfd)
    assert Path("c.svg").read_text().startswith("<?xml")
    networks = json.loads(done.stdout)["networks"]
    assert [n["size"] for n in networks] == [[32, 16], [48, 16]]
    for network in networks:
        assert (network["dim"], network["images_per_second"] > 0) == (512, True)
        assert [cell["own"] for cell in network["cells"]] == [True, False]
        for cell, folder in zip(network["cells"], ("set", "other"), strict=True):
            _, scored, _ = reid_srdl.evaluate_run(
                network["run"], dataset=cell["dataset"], data_dir=folder
            )
            told = scored.evaluation.single_query
            assert (cell["rank1"]["value"], cell["mAP"]["value"]) == (told.rank1, told.mAP)
            assert cell["mAP"]["low"] <= told.mAP <= cell["mAP"]["high"]
    done = cross(*words, streams=capfd)
    for text in ("small: vanilla", "market1501", "*", "images/s", "trained on that set"):
        assert text in done.stdout
    done = cross(*words, "--format", "csv", streams=capfd)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["dataset"] for row in rows] == ["folder", "market1501"] * 2
    assert [row["own"] for row in rows] == ["1", "0"] * 2
    assert float(rows[0]["mAP"]) == networks[0]["cells"][0]["mAP"]["value"]


def test_other_crops_of_the_same_name_are_not_a_networks_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "_IMAGES", 2)
    monkeypatch.setattr(job, "Settings", lambda: Settings(resamples=199))
    for folder, own in (("set", True), ("other", False)):
        found = cross_runs([Path("runs/small")], [("folder", Path(folder))], device="cpu")
        assert found.networks[0].cells[0].own is own


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("runs/small --dataset folder --data-dir set --data-dir other", 2, "--data-dir is given 2"),
        ("runs/small runs/small --dataset folder", 2, "stands twice"),
        ("runs/small --dataset folder --dataset folder", 2, "stands twice"),
        ("runs/none --dataset folder", 1, "not a run folder"),
        ("runs/small --dataset folder --data-dir broken", 1, "runs/small on folder: "),
        ("runs/small --dataset cifar10 --data-dir set", 2, "a data set of classes"),
        ("runs/small --dataset no-such", 2, "no such data set"),
        ("runs/small --dataset folder --plot c.txt", 2, "not a figure by its name"),
    ],
)
def test_a_cell_that_cannot_be_is_told_before_any_is_computed(
    words: str,
    status: int,
    message: str,
    place: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not (place / "broken").exists():
        write_small_set(place / "broken")
        file = sorted((place / "broken/bounding_box_test").iterdir())[3]
        file.write_bytes(file.read_bytes()[:100])
    monkeypatch.setattr(job, "evaluate_run", None)  # nothing is computed
    monkeypatch.setattr(job, "_speeds", None)
    assert_told(cross(*words.split(), streams=capfd, status=status), message, status=status)
