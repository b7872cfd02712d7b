"""The real Market-1501, where REID_SRDL_DATA names it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.data import ReidData, load_dataset
from reid_srdl.data.locate import Counts
from reid_srdl.data.reid import gt_query
from reid_srdl.data.reid.check import count
from reid_srdl.errors import UserError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReidData:
    place = os.environ.get("REID_SRDL_DATA")
    if not place:
        pytest.skip("REID_SRDL_DATA is not set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            return load_dataset("market1501", Path(place))
        except UserError as error:
            pytest.skip(error.what)


def test_counts(data: ReidData) -> None:
    assert count(data.train) == Counts(12_936, 751, 6)
    assert count(data.query) == Counts(3_368, 750, 6)
    assert count(data.gallery) == Counts(19_732, 750, 6, junk=3_819, distractors=2_798)
    assert data.boxes is not None
    assert count(data.boxes) in (Counts(12_692, 750, 6), Counts(25_259, 1_501, 6))
    assert sum(path.name.endswith(".jpg.jpg") for path in data.query.paths) == 6


def test_every_query_has_boxes(data: ReidData) -> None:
    assert data.boxes is not None
    boxes = set(zip(data.boxes.pids.tolist(), data.boxes.camids.tolist(), strict=True))
    assert boxes.issuperset(zip(data.query.pids.tolist(), data.query.camids.tolist(), strict=True))


def test_official_lists(data: ReidData) -> None:
    if not (data.root / gt_query.FOLDER).is_dir():
        pytest.skip("no gt_query there")
    lists = gt_query.compare(data.root / gt_query.FOLDER, data.query, data.gallery)
    assert lists == gt_query.Comparison(3_368, (), (), (), (), ())
    # and the check can fail: one camera shifted, and the lists no longer agree
    wrong = type(data.query)(data.query.paths, data.query.pids, np.roll(data.query.camids, 1))
    assert gt_query.compare(data.root / gt_query.FOLDER, wrong, data.gallery).disagreeing
