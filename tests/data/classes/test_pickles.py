"""A stranger's pickle runs no code."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.data.classes.pickles import read_pickle
from tests.data.classes.factory import python2_pickle

ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize(
    "write", [python2_pickle, *(lambda v, p=p: pickle.dumps(v, protocol=p) for p in (2, 3, 4))]
)
def test_numbers_texts_lists_and_bytes_are_read(write: Any) -> None:
    value = {"data": ARRAY, "labels": [3, 1, 2], "names": ["a", "b"], "batch_label": "x"}
    read = read_pickle(write(value))
    assert (read["data"] == ARRAY).all()
    assert read["data"].dtype == np.uint8
    assert read["labels"] == [3, 1, 2]
    assert read["names"] == ["a", "b"]


class Touch:
    """Would create a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return subprocess.getoutput, (f"touch {self.path}",)


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "touched"
    content = pickle.dumps({"data": Touch(victim)}, protocol=2)
    with pytest.raises(pickle.UnpicklingError, match=r"asks for commands\.getoutput"):
        read_pickle(content)
    assert not victim.exists()
    pickle.loads(content)  # the very same bytes do harm elsewhere
    assert victim.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"cnumpy\nndarray.tofile\n.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"c_codecs\nlookup\n(Vx\ntR.",
        b"creid_srdl.data.classes.pickles\nnp.save\n.",
        b"\x80\x02U\x01xQ.",  # something outside the file
        pickle.dumps({"data": np.array([Path()], dtype=object)}, protocol=2),
        pickle.dumps({"data": np.zeros(2, dtype=np.float64)}, protocol=2),
        pickle.dumps([1, 2]),
        pickle.dumps({"data": ARRAY}, protocol=2)[:-20],
        b"no pickle",
        b"",
    ],
)
def test_all_else_is_refused(content: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        read_pickle(content)
