"""Networks in folders that can only be read are crossed all the same."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import FileError
from reid_srdl.jobs.cross import cross_runs
from tests.reports.runs import people, run


def test_scores_are_shown_where_nothing_can_be_recorded(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, runs = people(tmp_path / "data"), tmp_path / "runs"
    run(data, runs, "a", eval={"enabled": False}, train={"epochs": 1})
    open_file = os.open

    def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if str(path).startswith(str(runs)) and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return open_file(path, flags, *more, **named)

    notes: list[str] = []
    with_record = cross_runs([runs / "a"], [("folder", data)], device="cpu", noted=notes.append)
    monkeypatch.setattr(os, "open", refuse)
    told = cross_runs([runs / "a"], [("folder", data)], device="cpu", noted=notes.append)
    assert told.networks[0].cells == with_record.networks[0].cells
    assert [note.endswith("nothing was recorded") for note in notes] == [True]
    with pytest.raises(FileError, match="Read-only"):
        cross_runs([runs / "a"], [("folder", data)], device="cpu")
