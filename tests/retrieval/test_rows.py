"""Rows of several arrays read like those of one."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.retrieval.rows import Rows, joined, rows_of


@pytest.fixture
def sides() -> list[Rows]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 6)).astype(np.float32)
    return [
        Rows(x, index=np.array([3, 4, 9, 30])),
        rows_of(x[:7].astype(np.float16), normalize=True),
        rows_of(x[:0]),
        rows_of(x[5:20] * 9),
    ]


def _whole(sides: list[Rows]) -> np.ndarray:
    return np.concatenate([side.block(0, len(side)) for side in sides])


def test_joined_rows_read_like_a_copy(sides: list[Rows]) -> None:
    rows, whole = joined(sides), _whole(sides)
    assert (len(rows), rows.dim) == whole.shape == (26, 6)
    assert rows.largest() == np.abs(whole).max()
    rng = np.random.default_rng(1)
    for positions in (rng.integers(0, 26, 50), np.arange(11, 26), np.arange(0)):
        assert np.array_equal(rows.take(positions), whole[positions])
        _check_reader(rows, positions, whole)
    for start in range(26):
        for stop in range(start, 27):
            assert np.array_equal(rows.block(start, stop), whole[start:stop])


def _check_reader(rows: Rows, positions: np.ndarray, whole: np.ndarray) -> None:
    read, out = rows.reader(positions), np.full((len(positions), rows.dim), np.nan, np.float32)
    for start in range(0, len(positions), 7):
        read(slice(start, start + 7), out[start : start + 7])
    assert np.array_equal(out, whole[positions])


def test_sides_hold_every_position_once(sides: list[Rows]) -> None:
    whole, positions = _whole(sides), np.random.default_rng(2).integers(0, 26, 50)
    for rows in (joined(sides), joined(sides[:1])):
        positions = positions[positions < len(rows)]
        seen = np.zeros(len(positions), np.int64)
        for here, side, own in rows.sides_of(positions):
            seen[here] += 1
            _check_reader(side, own, side.block(0, len(side)))
            assert np.array_equal(side.take(own), whole[positions[here]])
        assert (seen == 1).all()


def test_a_selection_of_joined_rows_can_be_selected_from(sides: list[Rows]) -> None:
    kept, again = np.array([0, 2, 3, 5, 10, 11, 12, 25]), np.array([1, 2, 4, 7])
    some = joined(sides).select(kept).select(again)
    assert np.array_equal(some.block(0, len(some)), _whole(sides)[kept[again]])


def test_one_side_alone_is_what_it_was(sides: list[Rows]) -> None:
    assert joined(sides[:1]) is sides[0]
