from pathlib import Path

import pytest

from reid_srdl.files import whole_file, write_json, write_text
from reid_srdl.seeds import derive, generator


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="half way"):
        _fail_half_way(path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    write_json(path, {"x": 1})
    assert path.read_text() == '{\n  "x": 1\n}\n'


def _fail_half_way(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise OSError("half way")


def test_draws_depend_on_names_alone() -> None:
    assert derive(0, "a", 1) != derive(0, "a", 2) != derive(1, "a", 2)
    assert 0 <= derive(0, "a") < 2**63
    first = generator(3, "x").random(4)
    generator(3, "y").random(4)
    assert (generator(3, "x").random(4) == first).all()
