"""Memory does not grow with a streamed gallery: four times the stretches, the same peak."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.evaluation import evaluate
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.retrieval.counting import count
from reid_srdl.retrieval.counting.kernels.choice import choose
from reid_srdl.retrieval.counting.kernels.forecast import Problem
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.streams import stretches

MEMBER = Path(__file__).with_name("memory_member.py")
DIM, STRETCH = 64, 8192
SLACK_KIB = 5 * 1024  # 18 stretches more would be 36 MiB
KEPT_KIB = 10 * 1024  # between stretches; 29 MiB and more were seen with a heap left alone
CREPT_KIB = 2 * 1024  # from stretch to stretch; 18 stretches' labels alone are 2.3 MiB

on_glibc = pytest.mark.skipif(
    not (sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")),
    reason="only glibc's heap can be kept flat",
)


def gallery_of(rows: int) -> Features:
    rng = np.random.default_rng(0)

    def drawn(count: int) -> FeatureSet:
        number = np.arange(count)
        pids = np.where(number < 5000, number % 200 + 1, 0)
        features = rng.standard_normal((count, DIM), dtype=np.float32).astype(np.float16)
        return FeatureSet(features, pids, number // 200 % 6)

    return Features(drawn(1000), drawn(rows))


def measured(folder: Path, threads: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(MEMBER), str(folder), str(STRETCH * DIM)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@on_glibc
def test_four_times_the_gallery_takes_no_more_memory(tmp_path: Path) -> None:
    told, alone = {}, {}
    for number in (6, 24):
        save_features(tmp_path / str(number), gallery_of(number * STRETCH))
        told[number] = measured(tmp_path / str(number), threads=2)
        alone[number] = measured(tmp_path / str(number), threads=1)
        assert len(told[number]["after"]) == len(alone[number]["after"]) == number
    # What two threads hold at once is a matter of chance, and the more stretches the more.
    assert abs(max(alone[24]["peaks"]) - max(alone[6]["peaks"])) < SLACK_KIB
    assert abs(told[24]["loaded"] - told[6]["loaded"]) < CREPT_KIB
    left = told[6]["after"] + told[24]["after"]
    assert max(left) - min(left) < CREPT_KIB
    assert max(left) - told[6]["loaded"] < KEPT_KIB


def test_the_kernel_is_chosen_for_a_stretch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that is worth loading for a long gallery would make memory grow with it."""
    asked = []

    def chosen(problem: Problem, rows: int, device: str) -> Any:
        asked.append(rows)
        return choose(problem, rows, device)

    monkeypatch.setattr(stretches, "_VALUES", 512 * DIM)
    monkeypatch.setattr(count, "choose", chosen)
    for rows in (2000, 8000):
        save_features(tmp_path / str(rows), gallery_of(rows))
        evaluate(load_features(tmp_path / str(rows)))
    assert asked == [512] * 2
