"""An analysis whose record cannot be kept is shown, and never said to be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from reid_srdl.errors import FileError
from reid_srdl.jobs.analyse.place import Place
from reid_srdl.report import analysis_end


class Facts(BaseModel):
    """A record."""

    value: int = 3


def test_the_record_is_named_whichever_file_of_the_folder_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").touch()
    open_file = os.open

    def refuse(path: Any, *more: Any, **named: Any) -> int:
        if str(path).startswith(str(tmp_path)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return open_file(path, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    refused: list[FileError] = []
    path = tmp_path / "analyses" / "facts.json"
    Place(refused=refused.append).keep(path, Facts())
    assert [error.filename for error in refused] == [str(path)]
    assert refused[0].errno == errno.EROFS


def test_what_was_refused_is_not_called_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(analysis_end.VIEWS, Facts, (lambda found: f"{len(found)} of them", None))
    monkeypatch.setattr(analysis_end, "present", lambda table, *_, **__: print(table))
    kept, lost = tmp_path / "a.json", tmp_path / "b.json"
    error = FileError(OSError(errno.EROFS, "read-only"), lost, "write the analysis")
    with pytest.raises(FileError):
        analysis_end.show_analysis(
            [(Facts(), kept), (Facts(), lost)], as_json=False, plot=None, refused=[error]
        )
    told = capsys.readouterr()
    assert "2 of them" in told.out
    assert str(kept) in told.out + told.err
    assert str(lost) not in told.out + told.err
