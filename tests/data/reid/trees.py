"""Small trees of re-id data sets in their real layouts and file formats."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from tests.data.conftest import write_image

VIPER = (0, 1, 2, 5, 9, 45, 700, 873)
GRID = (1, 2, 3, 4, 5, 6)
MSMT17 = {
    "train": (
        "0000/0000_000_01_0303morning_0015_0.jpg 0",
        "0001/0001_000_14_0303noon_0001_0.jpg 1",
    ),
    "val": ("0000/0000_001_15_0303afternoon_0016_1.jpg 0",),
    "query": ("0000/0000_002_03_0113morning_0001_0_ex.jpg 0",),
    "gallery": ("0000/0000_003_05_0113noon_0001_0.jpg 0", "0007/0007_000_05_0113noon_0009_2.jpg 7"),
}


def write_viper(root: Path) -> Path:
    """Writes eight people, one image from each camera."""
    for camera, angle in (("a", 0), ("b", 90)):
        (root / f"cam_{camera}").mkdir(parents=True)
        for pid in VIPER:
            write_image(root / f"cam_{camera}" / f"{pid:03d}_{angle}.bmp")
    (root / "cam_a" / "Thumbs.db").write_bytes(b"")
    return root


def write_grid(root: Path) -> Path:
    """Writes six people, one image from each of two cameras, and three distractors."""
    for part, camera in (("probe", 1), ("gallery", 8)):
        (root / part).mkdir(parents=True)
        for pid in GRID:
            write_image(root / part / f"{pid:04d}_{camera}_25004_107_32_106_221.jpeg")
    for number in range(3):
        write_image(root / "gallery" / f"0000_{number + 1}_2500{number}_1_2_3_4.jpeg")
    return root


def write_msmt17(root: Path, folders: tuple[str, str] = ("train", "test")) -> Path:
    """Writes the lists of MSMT17 and the images that they name."""
    for name, lines in MSMT17.items():
        folder = root / (folders[0] if name in ("train", "val") else folders[1])
        for line in lines:
            file = folder / line.split(" ")[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            write_image(file)
        (root / f"list_{name}.txt").write_text("\n".join(lines) + "\n")
    return root


# People of each pair of cameras; which of their ten images are there.
PAIRS = (3, 2)
THERE = (0, 3, 5, 9)
CUHK03 = {
    "train": ["1_001_1_01.png", "1_001_2_06.png", "1_003_1_04.png", "1_003_2_10.png"],
    "query": ["1_002_1_01.png", "1_002_2_06.png", "2_001_1_01.png"],
    "gallery": ["1_002_1_04.png", "1_002_2_10.png", "2_001_2_06.png"],
}
PIDS = {"1_001": 1, "1_002": 2, "1_003": 3, "2_001": 4, "2_002": 5}


def picture(pair: int, person: int, number: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng((pair, person, number))
    return rng.integers(0, 256, (12, 6, 3), dtype=np.uint8)


def write_mat(path: Path, sets: list[list[tuple[int, int]]]) -> None:
    """Writes cells as MATLAB 7.3 does: references, transposed; empty cells as two zeros."""
    with h5py.File(path, "w") as file:
        hidden = file.create_group("#refs#")

        def kept(value: NDArray[np.generic]) -> h5py.Reference:
            return hidden.create_dataset(str(len(hidden)), data=value).ref

        for kind in ("detected", "labeled"):
            pairs = []
            for pair, people in enumerate(PAIRS, 1):
                cells = np.empty((10, people), h5py.ref_dtype)
                for number in range(10):
                    for person in range(people):
                        there = number in THERE and (kind == "labeled" or number != 9)
                        image = picture(pair, person + 1, number + 1)
                        empty = np.zeros(2, np.uint64)
                        cells[number, person] = kept(image.T if there else empty)
                pairs.append(hidden.create_dataset(f"{kind}{pair}", data=cells).ref)
            file.create_dataset(kind, data=np.array([pairs], h5py.ref_dtype))
        references = [kept(np.array(table, np.float64).T) for table in sets]
        file.create_dataset("testsets", data=np.array([references], h5py.ref_dtype))


def write_lists(path: Path, lists: dict[str, list[str]]) -> None:
    names = [name for part in lists.values() for name in part]
    cells = np.empty((len(names), 1), object)
    cells[:, 0] = names
    labels = np.array([[PIDS[name[:5]]] for name in names], np.uint16)
    content: dict[str, object] = {"filelist": cells, "labels": labels}
    first = 1
    for part, own in lists.items():
        content[f"{part}_idx"] = np.arange(first, first + len(own), dtype=np.uint16)[:, None]
        first += len(own)
    scipy.io.savemat(path, content)


def write_cuhk03(root: Path) -> Path:
    """Writes both .mat files of CUHK03, as torchreid keeps them; two classic test sets."""
    (root / "cuhk03_release").mkdir(parents=True)
    write_mat(root / "cuhk03_release" / "cuhk-03.mat", [[(1, 2)], [(1, 1), (2, 2)]])
    write_lists(root / "cuhk03_new_protocol_config_labeled.mat", CUHK03)
    return root
