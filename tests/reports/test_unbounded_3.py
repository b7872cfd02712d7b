"""Numbers that would keep a machine busy for days are refused before any work."""

from __future__ import annotations

import pytest

from reid_srdl.cli import app
from reid_srdl.shell.outcome import run

ASKED = [
    ["compare", "a.csv", "b.csv", "--resamples", "99999999999"],
    ["analyse", "width", "r", "--directions", "99999999"],
    ["analyse", "width", "r", "--steps", "99999999"],
    ["analyse", "noise", "r", "--draws", "99999999"],
    ["analyse", "noise", "r", "--steps", "99999999"],
    ["profile", "r", "--steps", "99999999"],
    ["eval", "--features", "f.npz", "--gallery", "single-shot", "--trials", "99999999"],
]


@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_03_a_number_without_end_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, words) == 2
    assert "should be less than or equal to" in capsys.readouterr().err
