"""Commands for one process, when torchrun starts several."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import assert_told, reid_srdl

STARTED = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "0"}
ALONE = [
    ("study", "run", "table4"),
    ("leaderboard", "runs"),
    ("runs", "list"),
    ("extract", "runs/a"),
    ("data", "list"),
]


@pytest.mark.parametrize("words", ALONE, ids=" ".join)
def test_a_command_for_one_process_is_refused_in_several(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done = reid_srdl(*words, cwd=tmp_path, environment=STARTED)
    assert_told(done, "torchrun started 2 processes", "without torchrun", status=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("train",), ("eval", "runs/a"), ("profile", "runs/a")])
def test_others_look_for_the_processes_beside_them(words: tuple[str, ...], tmp_path: Path) -> None:
    done = reid_srdl(*words, cwd=tmp_path, environment=STARTED)
    assert_told(done, "process 0 of 2 could not join the others")


def test_one_process_of_torchrun_is_one(tmp_path: Path) -> None:
    one = STARTED | {"WORLD_SIZE": "1"}
    done = reid_srdl("data", "list", cwd=tmp_path, environment=one)
    assert done.returncode == 0, done.stderr
