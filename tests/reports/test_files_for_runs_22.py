"""Who names a file where a run's folder is meant, or a record that cannot be read, loses nothing.

"Delete it" is never said of a file that may be whole.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.errors import FileError, UserError
from reid_srdl.records.store import read_any_record


@pytest.mark.parametrize("name", ["weights.safetensors", "config.yaml", "evaluation.json"])
def test_a_file_is_called_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match="a file, not the folder of a run") as told:
        read_any_record(tmp_path / name)
    assert "delete" not in told.value.hint


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_record_that_cannot_be_read_is_not_to_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "record.json").write_text("{}")

    def refuse(_path: Path, *_: Any, **__: Any) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(FileError, match=os.strerror(number)) as told:
        read_any_record(tmp_path)
    assert told.value.errno == number
    assert "delete" not in told.value.hint
