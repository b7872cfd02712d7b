from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.data import load_dataset
from reid_srdl.data.cache import decoded
from reid_srdl.data.check import check_dataset
from reid_srdl.data.walkers.make import make_walkers
from reid_srdl.data.walkers.plan import Options, plan
from reid_srdl.data.walkers.shot import render
from reid_srdl.errors import UserError

SMALL = Options(train_identities=3, test_identities=2, cameras=3, images=2, distractors=1.0)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    one, made = make_walkers(tmp_path / "a", seed=5, options=SMALL)
    two, _ = make_walkers(tmp_path / "b", seed=5, options=SMALL)
    other, _ = make_walkers(tmp_path / "c", seed=6, options=SMALL)
    assert made
    assert content(one) == content(two)
    assert content(one) != content(other)


def test_an_image_depends_on_no_other() -> None:
    shots = plan(0, SMALL)
    alone = render(0, shots[7])
    for shot in shots[:7]:
        render(0, shot)
    assert render(0, shots[7]) == alone


def test_layout_loads_and_checks(tmp_path: Path) -> None:
    root, _ = make_walkers(tmp_path, options=SMALL)
    for place in (tmp_path, root):
        assert load_dataset("walkers", place).root == root
    data = load_dataset("walkers", tmp_path)
    assert data.boxes is not None
    pixels = decoded(data.gallery, fallback_size=(9, 9))
    assert pixels.shape[1:] == (128, 64, 3)
    assert pixels.std(axis=(1, 2, 3)).min() > 4  # nothing is blank
    assert set(data.query.pids.tolist()).isdisjoint(data.train.pids.tolist())
    # one query, and boxes, for each identity and camera, named as in Market-1501
    pairs = {path.name[:7] for path in data.query.paths}
    assert len(pairs) == len(data.query)
    assert {path.name[:7] for path in data.boxes.paths} == pairs
    report = check_dataset("walkers", tmp_path)
    assert report.ok, report.problems
    assert not [note for note in report.notes if "without a match" in note.text]


def test_default_sizes() -> None:
    shots = plan(0, Options())
    files = [shot.file for shot in shots]
    assert len(set(files)) == len(files)
    count = {
        split: sum(file.startswith(f"{split}/") for file in files)
        for split in ("bounding_box_train", "query", "bounding_box_test")
    }
    assert 480 <= count["bounding_box_train"] <= 620
    assert 100 <= count["query"] <= 160
    assert 600 <= count["bounding_box_test"] <= 900
    junk = sum("/-1_" in file for file in files) / count["bounding_box_test"]
    distractors = sum("/0000_" in file for file in files) / count["bounding_box_test"]
    assert 0.08 < junk < 0.13
    assert 0.15 < distractors < 0.25


def test_there_already(tmp_path: Path) -> None:
    folder, _ = make_walkers(tmp_path, options=SMALL)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make_walkers(tmp_path, options=SMALL) == (folder, False)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(UserError, match="other walkers"):
        make_walkers(tmp_path, seed=1, options=SMALL)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="something else"):
        make_walkers(tmp_path, options=SMALL)


def test_manifest(tmp_path: Path) -> None:
    folder, _ = make_walkers(tmp_path, seed=4, options=SMALL)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["seed"] == 4
    assert manifest["options"]["train_identities"] == 3


@pytest.mark.parametrize("wrong", [{"train_identities": 1}, {"cameras": 1}, {"junk": -0.1}])
def test_sizes_out_of_range(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="out of range"):
        make_walkers(tmp_path / "new", options=Options(**wrong))
    assert not (tmp_path / "new").exists()


def test_killed_half_way(tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from reid_srdl.data.walkers.make import make_walkers
def progress(done, total):
    print("drawing", flush=True)
    time.sleep(60)
make_walkers(Path({str(tmp_path)!r}), progress=progress)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"drawing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert list(tmp_path.glob(".walkers.*.tmp"))
    assert not (tmp_path / "walkers").exists()
    make_walkers(tmp_path, options=SMALL)
    assert not list(tmp_path.glob(".walkers.*.tmp"))


def test_colour_alone_does_not_solve_it(tmp_path: Path) -> None:
    """Nearest neighbours by the mean colours of upper and lower half stay far from perfect."""
    options = Options(train_identities=2, test_identities=20, images=2)
    make_walkers(tmp_path, options=options)
    data = load_dataset("walkers", tmp_path)

    def features(pixels: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        halves = (pixels[:, 25:62, 16:48], pixels[:, 65:110, 16:48])
        return np.concatenate([half.mean((1, 2)) for half in halves], axis=1)

    query = features(decoded(data.query, fallback_size=(128, 64)))
    gallery = features(decoded(data.gallery, fallback_size=(128, 64)))
    hits = []
    for row, pid, camid in zip(query, data.query.pids, data.query.camids, strict=True):
        counted = (data.gallery.pids != -1) & ~(
            (data.gallery.pids == pid) & (data.gallery.camids == camid)
        )
        distances = ((gallery - row) ** 2).sum(1)
        nearest = np.flatnonzero(counted)[distances[counted].argmin()]
        hits.append(data.gallery.pids[nearest] == pid)
    assert np.mean(hits) < 0.4


def test_a_wall_below_the_picture_hides_nobody(tmp_path: Path) -> None:
    options = Options(train_identities=8, test_identities=8, cameras=3, images=3)
    root, _ = make_walkers(tmp_path, seed=5, options=options)
    assert len(load_dataset("walkers", root).class_names) == 8
