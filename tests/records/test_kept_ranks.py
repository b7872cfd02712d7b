"""The file of kept ranks: written with its checksum, read to the bit, refused where damaged."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import evaluate_by
from reid_srdl.records.evaluated import Evaluated, EvaluationData
from reid_srdl.records.kept_ranks import ranks_file, read_ranks, write_ranks
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.kept import KeptRanks
from reid_srdl.seals import read_seals

ONE = Evaluated(network="vanilla", data=EvaluationData(name="walkers"), settings={"flip": False})


def _features(queries: int = 40, gallery: int = 300, ids: int = 12) -> Features:
    rng = np.random.default_rng(0)

    def draw(count: int, kind: str) -> FeatureSet:
        names = [f"{kind} {number}\udcff.jpg" for number in range(count)]
        x = rng.standard_normal((count, 8), np.float32)
        return FeatureSet(x, rng.integers(1, ids, count), rng.integers(1, 7, count), names)

    return Features(draw(queries, "q"), draw(gallery, "<g>"))


def _kept(features: Features) -> KeptRanks:
    kept = evaluate_by(features, Protocol(), keep=True).kept
    assert kept is not None
    return kept


def test_ranks_are_read_as_they_were_written(tmp_path: Path) -> None:
    kept = _kept(_features())
    path = write_ranks(tmp_path, ONE, kept)
    assert path == ranks_file(tmp_path, ONE)
    assert path.relative_to(tmp_path).as_posix() in read_seals(tmp_path)
    found = read_ranks(path)
    assert found is not None
    for field in dataclasses.fields(KeptRanks):
        mine, other = getattr(found, field.name), getattr(kept, field.name)
        for name in (
            [inner.name for inner in dataclasses.fields(mine)] if "im" in field.name else ()
        ):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))
    np.testing.assert_array_equal(found.listed, kept.listed)
    np.testing.assert_array_equal(found.distances, kept.distances)
    np.testing.assert_array_equal(found.missed_ranks, kept.missed_ranks)
    assert found.images.names.tolist() == kept.images.names.tolist()
    assert found.cameras is not None
    assert kept.cameras is not None
    np.testing.assert_array_equal(found.cameras.mAP, kept.cameras.mAP)
    first = path.read_bytes()
    assert write_ranks(tmp_path, ONE, kept).read_bytes() == first  # no clock in it


def test_a_set_a_tenth_of_market_takes_a_tenth_of_a_megabyte(tmp_path: Path) -> None:
    kept = _kept(_features(337, 1591, 100))
    assert write_ranks(tmp_path, ONE, kept).stat().st_size < 1.5 * 2**20 / 10


def test_what_is_damaged_or_of_another_version_is_refused(tmp_path: Path) -> None:
    path = ranks_file(tmp_path, ONE)
    assert read_ranks(path) is None
    path = write_ranks(tmp_path, ONE, _kept(_features()))
    data = path.read_bytes()
    path.write_bytes(data[:-200])
    with pytest.raises(UserError, match="checksum"):
        read_ranks(path)
    (tmp_path / "checksums.json").unlink()
    with pytest.raises(UserError, match=re.escape(f"{path}: damaged")):
        read_ranks(path)
    np.savez(path, format=np.array(99))
    with pytest.raises(UserError, match="of another version"):
        read_ranks(path)
