"""Failing input 21: float64 features are narrowed in steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from reid_srdl.errors import UserError
from reid_srdl.feature_files.reading import load_features
from reid_srdl.retrieval.features import Features, FeatureSet, checked

ROWS, DIM = 12_000, 1024  # 98 MB
MEASURE = """
import resource, sys
from pathlib import Path
from reid_srdl.feature_files.reading import load_features
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
import numpy, scipy.io
before = peak()
load_features(Path(sys.argv[1]))
print(peak() - before)
"""


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((ROWS, DIM), dtype=np.float32).astype(np.float64)
    labels = np.arange(ROWS)
    return {
        "query_features": rows[:20],
        "query_pids": labels[:20],
        "query_camids": np.ones(20, int),
        "gallery_features": rows,
        "gallery_pids": labels,
        "gallery_camids": np.full(ROWS, 2),
    }


@pytest.mark.parametrize("form", ["npz", "mat"])
def test_memory_stays_below_the_file_and_half_of_it(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"f.{form}"
    if form == "npz":
        np.savez(path, **arrays())
    else:
        kinds = {"features": "f", "pids": "label", "camids": "cam"}
        made = {n.split("_")[0] + "_" + kinds[n.split("_")[1]]: a for n, a in arrays().items()}
        scipy.io.savemat(path, made)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1.5 * path.stat().st_size + (16 << 20)


def test_narrowing_changes_nothing_or_is_refused() -> None:
    rng = np.random.default_rng(1)
    wide = rng.standard_normal((3000, 200), dtype=np.float32).astype(np.float64)
    labels = np.arange(3000)

    def narrowed(x: np.ndarray) -> np.ndarray:
        part = FeatureSet(x, labels, labels)
        return checked(Features(part, part)).gallery.features

    for x in (wide, np.asfortranarray(wide), wide[::-1]):
        found = narrowed(x)
        assert found.dtype == np.float32
        assert np.array_equal(found, x)
    for value in (0.1, 1e300, np.nextafter(1, 2)):
        changed = wide.copy()
        changed[2999, 199] = value
        with pytest.raises(UserError, match="float32 cannot hold"):
            narrowed(changed)


def test_values_that_float32_cannot_hold_are_found_in_a_file(tmp_path: Path) -> None:
    made = {name: array[:500] for name, array in arrays().items()}
    made["gallery_features"][499, 7] = 0.1
    np.savez(tmp_path / "f.npz", **made)
    with pytest.raises(UserError, match="gallery_features has type float64"):
        load_features(tmp_path / "f.npz")
