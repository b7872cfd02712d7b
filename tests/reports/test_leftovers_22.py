"""A run that was killed in its first moment leaves half a file, and the same command goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_srdl.errors import UserError
from reid_srdl.files import temporary_beside
from tests.reports.runs import people, run


@pytest.mark.parametrize("name", ["config.yaml", "checksums.json", "data.json"])
def test_22_half_a_file_of_a_killed_run_is_no_foreign_file(
    tmp_path: Path, cache: Path, name: str
) -> None:
    folder = tmp_path / "runs/r"
    folder.mkdir(parents=True)
    temporary_beside(folder / name).write_bytes(b"da")
    assert run(people(tmp_path / "set"), tmp_path / "runs").name == "r"
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize("name", [".x.tmp", "a.1.00000000.tmp", "notes.txt"])
def test_22_what_others_left_is_kept_and_refused(tmp_path: Path, cache: Path, name: str) -> None:
    folder = tmp_path / "runs/r"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"mine")
    with pytest.raises(UserError, match="holds something that is not a run"):
        run(people(tmp_path / "set"), tmp_path / "runs")
    assert (folder / name).read_bytes() == b"mine"
