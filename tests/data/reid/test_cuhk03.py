from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from reid_srdl.data import DATASETS, READERS, load_dataset
from reid_srdl.data.locate import Counts
from reid_srdl.data.reid.check_read import check_read
from reid_srdl.errors import UserError
from tests.data.conftest import write_image
from tests.data.reid.trees import CUHK03, PIDS, picture, write_cuhk03, write_lists, write_mat


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cuhk03(tmp_path / "cuhk03")


def test_new_protocol_from_the_mat_files(root: Path, cache: Path) -> None:
    data = load_dataset("cuhk03-labeled", root.parent)
    for crops, names in zip((data.train, data.query, data.gallery), CUHK03.values(), strict=True):
        assert [path.name for path in crops.paths] == names
        assert crops.pids.tolist() == [PIDS[name[:5]] for name in names]
        assert crops.camids.tolist() == [int(name[6]) for name in names]
    for path in data.gallery.paths:
        pair, person, _, number = (int(part) for part in path.stem.split("_"))
        assert np.array_equal(np.asarray(Image.open(path)), picture(pair, person, number))
        assert path.is_relative_to(cache)
    times = [path.stat().st_mtime_ns for path in data.gallery.paths]
    again = load_dataset("cuhk03-labeled", root / "cuhk03_release")
    assert [path.stat().st_mtime_ns for path in again.gallery.paths] == times  # extracted once


def test_new_protocol_from_the_published_folders(tmp_path: Path) -> None:
    for kind in ("labeled", "detected"):
        for split in ("bounding_box_train", "query", "bounding_box_test"):
            folder = tmp_path / "CUHK03-NP" / kind / split
            folder.mkdir(parents=True)
            for name in ("0003_c1_21.png", "0004_c2_7.png"):
                write_image(folder / name)
    data = load_dataset("cuhk03-detected", tmp_path)
    assert data.root.name == "detected"
    assert data.train.pids.tolist() == [3, 4]
    assert data.query.camids.tolist() == [1, 2]
    write_image(tmp_path / "CUHK03-NP" / "labeled" / "query" / "0005_c3_1.png")
    with pytest.raises(UserError, match=r"0005_c3_1.png: camera 3, CUHK03 has 1 and 2"):
        load_dataset("cuhk03-labeled", tmp_path)
    with pytest.raises(UserError, match="holds detected boxes, not labeled"):
        load_dataset("cuhk03-labeled", tmp_path / "CUHK03-NP" / "detected")


def test_classic_protocol(root: Path) -> None:
    data = load_dataset("cuhk03-classic-labeled", root, 1)
    names = sorted({path.name[:5] for path in data.query.paths})
    assert names == ["1_001", "2_002"]
    assert data.query.paths == data.gallery.paths
    assert len(data.query) == 8
    assert len(data.train) == 12
    assert len(set(data.train.pids.tolist())) == 3
    assert data.query.camids.tolist() == [1, 1, 2, 2] * 2
    assert len(load_dataset("cuhk03-classic-detected", root, 1).query) == 6
    assert DATASETS["cuhk03-classic-labeled"].defaults["eval"]["gallery"] == "single-shot"
    with pytest.raises(UserError, match=r"cuhk-03.mat: holds no classic test set 2"):
        load_dataset("cuhk03-classic-labeled", root, 2)
    with pytest.raises(UserError, match="has no split 20"):
        load_dataset("cuhk03-classic-labeled", root, 20)


def test_wrong_files_are_named(root: Path) -> None:
    config = root / "cuhk03_new_protocol_config_labeled.mat"
    with pytest.raises(UserError, match=r"lacks cuhk03_new_protocol_config_detected.mat"):
        load_dataset("cuhk03-detected", root)
    write_lists(config, {**CUHK03, "gallery": ["1_002_1_02.png"]})
    with pytest.raises(UserError, match=r"config_labeled.mat: names 1 images .* 1_002_1_02.png"):
        load_dataset("cuhk03-labeled", root)
    write_lists(config, {**CUHK03, "gallery": CUHK03["train"][:1]})
    with pytest.raises(UserError, match=r"config_labeled.mat: an image is in two splits"):
        load_dataset("cuhk03-labeled", root)
    write_lists(config, {**CUHK03, "gallery": ["1_001_1_04.png"]})
    with pytest.raises(UserError, match="people to train on are tested on, too"):
        load_dataset("cuhk03-labeled", root)
    scipy.io.savemat(config, {"filelist": np.zeros(3)})
    with pytest.raises(UserError, match=r"config_labeled.mat: not the new protocol's lists"):
        load_dataset("cuhk03-labeled", root)
    mat = root / "cuhk03_release" / "cuhk-03.mat"
    write_mat(mat, [[(1, 2), (2, 9)]])
    with pytest.raises(UserError, match="test set 0 names people who have no labeled images"):
        load_dataset("cuhk03-classic-labeled", root)
    with h5py.File(mat, "w") as file:
        file.create_dataset("features", data=np.zeros(3))
    with pytest.raises(UserError, match=r"cuhk-03.mat: holds no classic test set 0"):
        load_dataset("cuhk03-classic-labeled", root)
    write_lists(config, CUHK03)
    with pytest.raises(UserError, match=r"cuhk-03.mat: holds no cells of labeled images"):
        load_dataset("cuhk03-labeled", root)
    mat.write_bytes(b"MATLAB 5.0")
    with pytest.raises(UserError, match=r"cuhk-03.mat: not a MATLAB 7.3 file"):
        load_dataset("cuhk03-labeled", root)


def test_check(root: Path) -> None:
    official = {"train": Counts(4, 2, 2), "query": Counts(3, 2, 2), "gallery": Counts(3, 2, 2)}
    entry = replace(DATASETS["cuhk03-labeled"], official=official)
    reader, place = READERS["cuhk03-labeled"], root / "cuhk03_release"
    assert check_read(entry, reader, place).ok
    report = check_read(DATASETS["cuhk03-labeled"], reader, place)
    assert "train: 4 images where 7,368 are official" in report.problems[0].text


def test_official_counts() -> None:
    for kind, train, gallery in (("labeled", 7_368, 5_328), ("detected", 7_365, 5_332)):
        official = DATASETS[f"cuhk03-{kind}"].official
        assert official is not None
        assert [(part.images, part.identities) for part in official.values()] == [
            (train, 767),
            (1_400, 700),
            (gallery, 700),
        ]
