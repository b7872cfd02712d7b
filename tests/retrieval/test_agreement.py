"""Machines that were given different features are told so, rather than counting a mixture."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.errors import UserError
from reid_srdl.evaluation import agreement
from reid_srdl.evaluation.agreement import check_same
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.retrieval.features import Features
from tests.retrieval.test_streaming import Threads, run_together, small_set


def told(given: Sequence[Features], machines: int) -> list[str]:
    """Returns what each process says, dealt out to machines in runs; empty where it agrees."""
    size, local = len(given), len(given) // machines
    meeting, box = threading.Barrier(size), [None] * size
    found = ["lost"] * size

    def member(rank: int) -> None:
        group = Threads(rank, size, meeting, box)
        group.local_rank, group.local_size = rank % local, local
        try:
            check_same(given[rank], group)
            found[rank] = ""
        except UserError as error:
            found[rank] = error.what
        except threading.BrokenBarrierError:
            found[rank] = "ended by another"
        finally:
            if found[rank]:
                meeting.abort()

    run_together(size, member)
    return found


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_PIECE_BYTES", 200)


def changed(features: Features, part: str, kind: str) -> Features:
    """Returns features with one value of one array changed."""
    whole = getattr(features, part)
    array = np.array(getattr(whole, kind))
    array.reshape(-1)[-1] += 1
    return dataclasses.replace(features, **{part: dataclasses.replace(whole, **{kind: array})})


@pytest.mark.parametrize("machines", [1, 2, 4])
def test_equal_features_are_no_error(machines: int) -> None:
    assert told([small_set(1) for _ in range(4)], machines) == [""] * 4


@pytest.mark.parametrize("part", ["query", "gallery", "boxes"])
@pytest.mark.parametrize("kind", ["features", "pids", "camids"])
def test_any_value_that_differs_is_found(part: str, kind: str) -> None:
    one = small_set(1)
    other = changed(one, part, kind)
    name = f"{'multi' if part == 'boxes' else part}_{kind}"
    for given in ([one, other], [one, one, other, other], [one, other, one]):
        answers = told(given, machines=3 if len(given) == 3 else 2)
        assert any(f"{name} is not the same on all machines" in line for line in answers)


def test_another_size_or_type_is_found_on_one_machine_too() -> None:
    one = small_set(1)
    rows: Any = {"features": one.gallery.features[:-1]}
    shorter = dataclasses.replace(one, gallery=dataclasses.replace(one.gallery, **rows))
    half = small_set(1, np.float16)
    for other, where in ((shorter, "169 x 6 float32"), (half, "6 float16")):
        answers = told([one, other], machines=1)
        assert any("is not the same on all machines" in line for line in answers)
        assert where in answers[1] or answers[1] == "ended by another"
    without = dataclasses.replace(one, boxes=None)
    assert any("multi_features" in line for line in told([one, without], machines=2))


def test_one_file_is_not_read_and_copies_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_features(tmp_path / "f", dataclasses.replace(small_set(1), boxes=None))
    shutil.copytree(tmp_path / "f", tmp_path / "g")
    names: list[str] = []
    check = agreement._check_content

    def watched(name: str, *rest: Any) -> None:
        names.append(name)
        check(name, *rest)

    monkeypatch.setattr(agreement, "_check_content", watched)
    same, copy = load_features(tmp_path / "f"), load_features(tmp_path / "g")
    assert told([same, load_features(tmp_path / "f")], machines=2) == ["", ""]
    assert "gallery_features" not in names
    assert told([same, copy], machines=2) == ["", ""]
    assert names.count("gallery_features") == 2
