"""Galleries, splits and distractors on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.run import assert_told, reid_srdl
from tests.data.reid.trees import write_grid
from tests.retrieval.test_features import good_arrays, write_npz

SINGLE_SHOT = ("--gallery", "single-shot", "--trials", "7", "--trial-seed", "5")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "f.npz", good_arrays())


def test_single_shot_of_a_file_of_features(file: Path, tmp_path: Path) -> None:
    options = ("--features", file, *SINGLE_SHOT)
    shown = reid_srdl("eval", *options, "--per-query", "a.csv", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "over trials" in shown.stdout
    assert "7 trials from seed 5" in shown.stdout
    told = json.loads(reid_srdl("eval", *options, "--json", cwd=tmp_path).stdout)
    assert told["protocol"]["gallery"] == "single-shot"
    assert 0 <= told["spread"]["mAP"] < 1
    done = reid_srdl("compare", "a.csv", "a.csv", cwd=tmp_path)
    assert_told(done, "single-shot results are means over random galleries")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--distractors", "more"), "--distractors: says nothing about a file of features"),
        (("--split", "2"), "--split: says nothing about a file of features"),
    ],
)
def test_what_a_file_of_features_has_not(
    file: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    assert_told(reid_srdl("eval", "--features", file, *words, cwd=tmp_path), told, status=2)


def test_check(tmp_path: Path) -> None:
    write_grid(tmp_path / "grid")
    done = reid_srdl("data", "check", "grid", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "train, split 0: 6 images where 250 are official" in done.stdout
    assert "gallery, split 9: 6 images where 900 are official" in done.stdout
    assert "3 distractors where 775 are official" in done.stdout
    assert "cameras where" not in done.stdout
