from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.data import load_dataset
from reid_srdl.data.reid.distractors import with_distractors
from reid_srdl.errors import UserError
from tests.data.conftest import write_image


def test_they_join_the_gallery_as_nobody(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "distractors"
    folder.mkdir()
    for name in ("b.jpg", "a.jpg", "0001_c1s1_000001_00.jpg"):
        write_image(folder / name)
    (folder / "Thumbs.db").write_bytes(b"")
    data = load_dataset("folder", tiny)
    more = with_distractors(data, folder)
    assert more.gallery.pids.tolist() == [*data.gallery.pids.tolist(), 0, 0, 0]
    assert [path.name for path in more.gallery.paths[-3:]] == [
        "0001_c1s1_000001_00.jpg",
        "a.jpg",
        "b.jpg",
    ]
    assert more.query is data.query


def test_a_folder_without_images_is_an_error(tiny: Path, tmp_path: Path) -> None:
    data = load_dataset("folder", tiny)
    with pytest.raises(UserError, match="nowhere: No such file"):
        with_distractors(data, tmp_path / "nowhere")
    (tmp_path / "void").mkdir()
    with pytest.raises(UserError, match="void: no images in it"):
        with_distractors(data, tmp_path / "void")
