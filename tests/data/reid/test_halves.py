"""VIPeR and GRID."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reid_srdl.data import DATASETS, READERS, load_dataset
from reid_srdl.data.locate import Counts
from reid_srdl.data.reid.check_read import check_read
from reid_srdl.errors import UserError
from tests.data.conftest import write_image
from tests.data.reid.trees import VIPER, write_grid, write_viper


@pytest.fixture
def viper(tmp_path: Path) -> Path:
    return write_viper(tmp_path / "viper" / "VIPeR")


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return write_grid(tmp_path / "grid" / "underground_reid")


def partitions(root: Path, splits: list[list[int]]) -> None:
    """Writes trainIdxAll as MATLAB does: a cell of structs, the third field the identities."""
    cells = np.empty((1, len(splits)), object)
    for number, pids in enumerate(splits):
        entry = {"name": "split", "count": np.array([[len(pids)]]), "ids": np.array([pids])}
        cells[0, number] = entry
    scipy.io.savemat(root / "features_and_partitions.mat", {"trainIdxAll": cells})


def test_viper_has_ten_halves(viper: Path) -> None:
    seen = set()
    for split in range(10):
        data = load_dataset("viper", viper.parent.parent, split)
        train, test = set(data.train.pids.tolist()), set(data.query.pids.tolist())
        assert len(train) == len(test) == 4
        assert train | test == {pid + 1 for pid in VIPER}  # none is 0, which is nobody
        assert data.query.pids.tolist() == data.gallery.pids.tolist()
        assert set(data.query.camids.tolist()) == {1}
        assert set(data.gallery.camids.tolist()) == {2}
        assert len(data.train) == 8
        again = load_dataset("viper", viper, split)
        assert again.train.paths == data.train.paths
        seen.add(tuple(sorted(train)))
    assert len(seen) > 5
    with pytest.raises(UserError, match="viper has no split 10"):
        load_dataset("viper", viper, 10)


def test_viper_wants_pairs(viper: Path) -> None:
    (viper / "cam_b" / "045_90.bmp").unlink()
    with pytest.raises(UserError, match=r"cam_a: without a partner in cam_b: 045_0.bmp"):
        load_dataset("viper", viper)
    (viper / "cam_a" / "045_0.bmp").unlink()
    write_image(viper / "cam_a" / "009_45.bmp")
    with pytest.raises(UserError, match=r"more than one image: 009_0.bmp, 009_45.bmp"):
        load_dataset("viper", viper)
    (viper / "cam_a" / "009_45.bmp").rename(viper / "cam_a" / "someone.bmp")
    with pytest.raises(UserError, match=r"cam_a: not named like 000_45.bmp: someone.bmp"):
        load_dataset("viper", viper)
    for path in (viper / "cam_b").iterdir():
        path.unlink()
    (viper / "cam_a" / "someone.bmp").unlink()
    with pytest.raises(UserError, match="cam_b: no images"):
        load_dataset("viper", viper)


def test_viper_check(viper: Path) -> None:
    official = {"train": Counts(8, 4, 2), "query": Counts(4, 4, 1), "gallery": Counts(4, 4, 1)}
    entry = replace(DATASETS["viper"], official=official)
    told: list[tuple[str, int, int]] = []
    report = check_read(entry, READERS["viper"], viper, lambda *done: told.append(done))
    assert report.ok
    assert sum(total for _, done, total in told if done == total) == 16  # each image once
    report = check_read(DATASETS["viper"], READERS["viper"], viper)
    assert "train, split 9: 8 images where 632 are official" in report.problems[-3].text


def test_grid_reads_the_published_splits(grid: Path) -> None:
    partitions(grid, [[1, 3, 6], [2, 3, 4]])
    data = load_dataset("grid", grid.parent.parent, 1)
    assert sorted(data.train.pids.tolist()) == [2, 2, 3, 3, 4, 4]
    assert data.query.pids.tolist() == [1, 5, 6]
    assert data.gallery.pids.tolist() == [0, 0, 0, 1, 5, 6]
    assert data.query.camids.tolist() == [1, 1, 1]
    with pytest.raises(UserError, match=r"features_and_partitions.mat: holds no split 2"):
        load_dataset("grid", grid, 2)
    partitions(grid, [[1, 3, 99]])
    with pytest.raises(UserError, match="not all of which are among the 6"):
        load_dataset("grid", grid)
    (grid / "features_and_partitions.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(UserError, match="holds no split 0"):
        load_dataset("grid", grid)


def test_grid_draws_splits_where_none_are_published(grid: Path) -> None:
    halves = {tuple(load_dataset("grid", grid, split).query.pids.tolist()) for split in range(10)}
    assert len(halves) > 4
    assert all(len(half) == 3 for half in halves)


def test_grid_cameras(grid: Path) -> None:
    write_image(grid / "probe" / "0007_9_25004_107_32_106_221.jpeg")
    with pytest.raises(UserError, match=r"0007_9_.*: camera 9, there are 1 to 8"):
        load_dataset("grid", grid)
