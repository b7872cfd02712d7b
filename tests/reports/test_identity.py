"""Number 1, faults 2, 5: a run is what it was trained on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.train import resume
from reid_srdl.methods import OPTIONS
from reid_srdl.models.weights import load_network
from reid_srdl.records.content import names_digest
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record
from tests.data.conftest import write_image
from tests.reports.runs import Listener, classes, config, people, run, run_classes

TRAIN, QUERY = "bounding_box_train", "query"


def first(folder: Path) -> Path:
    return min(path for path in folder.rglob("*") if path.is_file())


def test_01_other_data_under_the_same_settings_is_refused(tmp_path: Path) -> None:
    w, w2, runs = people(tmp_path / "w"), people(tmp_path / "w2"), tmp_path / "runs"
    write_image(first(w2 / TRAIN), (16, 32), seed=9)
    done = run(w, runs, None)
    (folder,) = runs.iterdir()
    before = (folder / "record.json").read_bytes()
    for ask in (run, lambda *given: plan(config(*given))):
        with pytest.raises(UserError) as caught:
            ask(w2, runs, None)
        assert str(w) in caught.value.what
        assert str(w2) in caught.value.what
        assert "training images: 36 files" in caught.value.what
        assert "--name" in caught.value.hint
    assert (folder / "record.json").read_bytes() == before
    again = Listener()
    assert run(w, runs, None, listener=again) == done
    assert again.epochs == 0
    assert f"finished on {done.created:%Y-%m-%d}" in again.notes[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda w: write_image(w / TRAIN / "0001_c4s1_000000_00.jpg", (16, 32)), "training images"),
        (lambda w: first(w / TRAIN).unlink(), "training images"),
        (lambda w: first(w / TRAIN).rename(w / TRAIN / "0099_c1s1_000000_01.jpg"), "classes"),
        (lambda w: write_image(first(w / QUERY), (16, 32), seed=3), "test images"),
        (lambda w: shutil.rmtree(w / "gt_bbox"), "test images"),
    ],
)
def test_01_changed_data_is_refused(
    tmp_path: Path, change: Callable[[Path], object], told: str
) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    run(w, runs, eval={"enabled": False})
    change(w)
    with pytest.raises(UserError, match="holds a run on other data") as caught:
        run(w, runs, eval={"enabled": False})
    assert told in caught.value.what


def test_01_class_folders_are_a_kind_of_it(tmp_path: Path) -> None:
    a, runs = classes(tmp_path / "a"), tmp_path / "runs"
    b = classes(tmp_path / "b", "ant", "bee", "cat", "dog", "elk")
    run_classes(a, runs)
    with pytest.raises(UserError, match=r"classes: 6 .* there, 5 .* here"):
        run_classes(b, runs)


def test_01_data_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    run(w, runs)
    with pytest.raises(UserError, match="nowhere"):
        run(tmp_path / "nowhere", runs)
    w.rename(tmp_path / "moved")
    with pytest.raises(UserError) as caught:
        resume(runs / "r")
    assert "--resume" in caught.value.hint
    assert "--data-dir" in caught.value.hint


def test_01_a_moved_folder_goes_on_and_is_remembered(tmp_path: Path) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    whole = run(w, runs, "whole")
    with pytest.raises(KeyboardInterrupt):
        run(w, runs, "r", listener=Listener(stop=True))
    moved = shutil.copytree(w, tmp_path / "moved/w", copy_function=shutil.copyfile)
    shutil.rmtree(w)
    went_on = Listener()
    resume(runs / "r", went_on, data_dirs=[moved])
    assert went_on.epochs == 1
    folder = RunFolder(runs / "r")
    assert folder.read_config(OPTIONS).data.dir == moved
    known = folder.read_trained_on()
    assert known is not None
    assert known.folder == str(moved)
    ours, theirs = (
        load_network(runs / name / "weights/vanilla.safetensors").state_dict()
        for name in ("r", "whole")
    )
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert read_record(runs / "r").evaluations == whole.evaluations
    again = Listener()
    resume(runs / "whole", again, data_dirs=[moved])
    assert again.epochs == 0
    assert RunFolder(runs / "whole").read_config(OPTIONS).data.dir == moved


def test_fault_05_one_image_changed_before_going_on_is_told(tmp_path: Path) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    with pytest.raises(KeyboardInterrupt):
        run(w, runs, listener=Listener(stop=True))
    write_image(first(w / TRAIN), (16, 32), seed=9)
    with pytest.raises(UserError, match="training images: 36 files"):
        resume(runs / "r")


def test_01_another_teacher_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    method = {"name": "kd", "teacher": str(runs / "t")}
    with pytest.raises(UserError, match="no such run"):
        run(w, runs, method=method)
    with pytest.raises(UserError, match="no such run"):
        plan(config(w, runs, method=method))
    assert not (runs / "r").exists()
    run(w, runs, "t", eval={"enabled": False})
    run(w, runs, method=method)
    shutil.rmtree(runs / "t")
    run(w, runs, "t", eval={"enabled": False}, train={"seed": 5})
    with pytest.raises(UserError, match=r"other weights or teachers.*teacher: t \(.* there"):
        run(w, runs, method=method)


def test_01_the_record_says_what_it_was_trained_on(tmp_path: Path) -> None:
    w, runs = people(tmp_path / "w"), tmp_path / "runs"
    done = run(w, runs)
    known = RunFolder(runs / "r").read_trained_on()
    content = done.dataset.content
    assert known is not None
    assert content is not None
    assert (content.train, content.test) == (known.train.digest, known.test.digest)
    assert (content.by, content.classes) == ("bytes", names_digest(known.classes))
    assert done.evaluations[0].data.content == content.test
    assert (known.train.files, len(known.classes), known.folder) == (36, 6, str(w))
    assert str(tmp_path) not in (runs / "r/record.json").read_text()
