"""Knowledge on the disk: written by blocks, read by memory map, the numbers of one in memory."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.training.logit_table import LogitTable

CPU = torch.device("cpu")


def filled(path: Path, rows: int = 50, classes: int = 7) -> tuple[LogitTable, torch.Tensor]:
    values = torch.randn(rows, classes, generator=torch.Generator().manual_seed(0)).half()
    table = LogitTable.create(path, (rows, classes))
    for first in range(0, rows, 13):
        table.write(first, values[first : first + 13])
    return table, values


def test_a_table_holds_what_was_written_in_any_order(tmp_path: Path) -> None:
    _, values = filled(tmp_path / "t.npy")
    table = LogitTable(tmp_path / "t.npy")
    index = torch.tensor([49, 0, 13, 12, 49])
    assert torch.equal(table[index], values[index])
    assert torch.equal(table.on(CPU), values)
    assert np.array_equal(np.load(tmp_path / "t.npy"), values.numpy())  # the format is NumPy's


def test_a_table_is_moved_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reid_srdl.training.logit_table.BLOCK_BYTES", 3 * 7 * 2)
    table, values = filled(tmp_path / "t.npy")
    assert torch.equal(table.on(CPU), values)


def test_another_shape_is_no_match(tmp_path: Path) -> None:
    filled(tmp_path / "t.npy")
    assert LogitTable.matching(tmp_path / "t.npy", (50, 7)) is not None
    assert LogitTable.matching(tmp_path / "t.npy", (50, 8)) is None
    assert LogitTable.matching(tmp_path / "none.npy", (50, 7)) is None


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"a": 1})])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"t\.npy.*nothing in it was executed"):
        LogitTable(tmp_path / "t.npy")


def test_a_table_cut_short_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "t.npy")
    whole = (tmp_path / "t.npy").read_bytes()
    (tmp_path / "t.npy").write_bytes(whole[:-2])
    with pytest.raises(UserError, match="damaged"):
        LogitTable(tmp_path / "t.npy")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_all_of_a_table_leaves_little_of_it_resident(tmp_path: Path) -> None:
    rows, classes = 40_000, 1000  # 76 MiB
    table = LogitTable.create(tmp_path / "t.npy", (rows, classes))
    for first in range(0, rows, 10_000):  # real pages, which a hole in a file has not
        table.write(first, torch.ones(10_000, classes, dtype=torch.float16))
    before = resident_file_bytes()
    for index in torch.randperm(rows).split(128):
        assert table[index].float().sum() == len(index) * classes
    assert resident_file_bytes() - before < 16 * 2**20


def resident_file_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssFile")]
    return int(line.split()[1]) * 1024
