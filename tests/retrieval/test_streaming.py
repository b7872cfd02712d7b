"""Streamed galleries, shared or not: the same bits as a gallery in memory, in flat memory."""

from __future__ import annotations

import dataclasses
import mmap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored, evaluate, evaluate_by
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.group.processes import Alone
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.memory import mapped as mapped_arrays
from reid_srdl.retrieval.memory.mapped import expect, forget, is_mapped, rows_at
from reid_srdl.retrieval.streams import stretches
from tests.retrieval.brute import random_features
from tests.retrieval.test_evaluate import _same

PROTOCOLS = (
    Protocol(),
    Protocol(distance="cosine", pooling="max"),
    Protocol(rules="torchreid"),
    Protocol(rules="official"),
)


class Threads(Alone):
    """A group whose members are threads of this process."""

    def __init__(self, rank: int, size: int, meeting: threading.Barrier, box: list[Any]) -> None:
        self.rank, self.size = rank, size
        self._meeting, self._box = meeting, box

    def summed(self, values: np.ndarray) -> np.ndarray:
        self._box[self.rank] = values
        self._meeting.wait(20)
        total = sum(self._box)
        self._meeting.wait(20)
        return total


def in_threads(size: int, work: Callable[[Threads], Scored]) -> list[Scored]:
    """Returns what each member of a group found."""
    meeting, box = threading.Barrier(size), [None] * size
    found: list[Any] = [None] * size

    def member(rank: int) -> None:
        try:
            found[rank] = work(Threads(rank, size, meeting, box))
        except BaseException:
            meeting.abort()
            raise

    run_together(size, member)
    return found


def run_together(size: int, member: Callable[[int], None]) -> None:
    """Runs all members of a group, each in a thread of its own, until the last has ended."""
    members = [threading.Thread(target=member, args=(rank,)) for rank in range(size)]
    for thread in members:
        thread.start()
    for thread in members:
        thread.join()


def small_set(seed: int, kind: type = np.float32) -> Features:
    """Many ties, junk, distractors, queries without a match, a junk query, and boxes."""
    rng = np.random.default_rng(seed)
    values = np.arange(-1, 2, dtype=np.float32)
    features = random_features(rng, queries=30, gallery=170, dim=6, values=values)
    boxes = random_features(rng, gallery=70, dim=6, values=values).gallery
    parts = []
    for part in (features.query, features.gallery, boxes):
        pids = np.where(rng.random(len(part)) < 0.1, -1, part.pids)
        parts.append(FeatureSet(part.features.astype(kind), pids, part.camids))
    return Features(*parts)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of 7 images, labels 5 at a time, no array so small that its pages stay."""
    monkeypatch.setattr(mapped_arrays, "_SMALL_BYTES", 0)
    monkeypatch.setattr(stretches, "_VALUES", 7 * 6)
    monkeypatch.setattr(stretches, "_LABELS", 5)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.usefixtures("short")
def test_a_streamed_gallery_gives_the_same_bits(
    tmp_path: Path, protocol: Protocol, kind: type
) -> None:
    features = small_set(1, kind)
    save_features(tmp_path / "f", features)
    mapped = load_features(tmp_path / "f")
    assert is_mapped(mapped.gallery.features)
    assert is_mapped(mapped.gallery.pids)
    reference = evaluate(features, protocol)
    _same(reference, evaluate(mapped, protocol))
    for found in in_threads(3, lambda group: evaluate(mapped, protocol, group=group)):
        _same(reference, found)


@pytest.mark.usefixtures("short")
def test_shares_of_a_gallery_in_memory_give_the_same_bits() -> None:
    for seed in (2, 3):
        features = small_set(seed)
        reference = evaluate(features)
        for size in (2, 5):
            for found in in_threads(size, lambda group: evaluate(features, group=group)):  # noqa: B023
                _same(reference, found)


def test_more_processes_than_images() -> None:
    query = FeatureSet(np.float32([[0]]), np.array([1]), np.array([1]))
    gallery = FeatureSet(np.float32([[2], [1]]), np.array([1, 2]), np.array([2, 2]))
    features = Features(query, gallery)
    found = in_threads(4, lambda group: evaluate(features, group=group))
    assert [result.single.first_rank.tolist() for result in found] == [[2]] * 4


@pytest.mark.usefixtures("short")
def test_progress_counts_all_pairs_once(tmp_path: Path) -> None:
    features = dataclasses.replace(small_set(4), boxes=None)
    save_features(tmp_path / "f", features)
    seen: list[tuple[int, int]] = []
    evaluate(load_features(tmp_path / "f"), progress=lambda done, total: seen.append((done, total)))
    pairs = len(features.query) * len(features.gallery)
    assert {total for _, total in seen} == {pairs}
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1][0] == pairs
    assert len(seen) > 20


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("part", ["gallery", "multi"])
def test_values_that_are_not_finite_are_found_on_the_way(tmp_path: Path, part: str) -> None:
    features = small_set(5)
    save_features(tmp_path / "f", features)
    rows = np.load(tmp_path / "f" / f"{part}_features.npy")
    kept = features.gallery if part == "gallery" else features.boxes
    assert kept is not None
    # Boxes are looked at where they are used.
    wanted = np.isin(kept.pids, features.query.pids) & np.isin(kept.camids, features.query.camids)
    one, two = np.flatnonzero(wanted)[[0, 9]]
    rows[one, 2], rows[two, 0] = np.nan, -np.inf
    np.save(tmp_path / "f" / f"{part}_features.npy", rows)
    message = f"{part}_features holds NaN or infinity in 2 of {len(rows)} rows, first in row {one}"
    mapped = load_features(tmp_path / "f")
    with pytest.raises(UserError, match=message):
        evaluate(mapped)
    with pytest.raises(UserError, match=message):
        evaluate(mapped, engine="faiss")
    with pytest.raises(UserError, match=message):
        save_features(tmp_path / "g.npz", mapped)


def test_what_needs_the_whole_gallery_cannot_be_shared() -> None:
    group = Threads(0, 2, threading.Barrier(1), [None])
    for engine, settings, word in (
        ("faiss", {}, "--engine faiss"),
        ("faiss", {"index": "HNSW8"}, "--engine faiss and --index"),
        ("count", {"rerank": {"method": "k-reciprocal"}}, "--rerank"),
        ("count", {"expand": {"method": "aqe"}}, "--expand"),
    ):
        with pytest.raises(UserError, match=f"{word}: needs the whole gallery, 2 processes"):
            evaluate_by(small_set(6), Protocol(**settings), engine=engine, group=group)
    with pytest.raises(UserError, match="cannot be shared among processes"):
        evaluate(small_set(6), engine="faiss", group=group)


@pytest.mark.parametrize("small", [0, 1 << 30])
def test_mapped_pages_are_let_go_and_read_again(
    tmp_path: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_arrays, "_SMALL_BYTES", small)
    rows = np.random.default_rng(0).random((5000, 300), np.float32)
    np.save(tmp_path / "x.npy", rows)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert is_mapped(x)
    assert is_mapped(np.asarray(x)[7:9])
    assert not is_mapped(rows)
    expect(x[1000:3000])
    positions = np.random.default_rng(1).integers(0, 5000, 70)
    assert np.array_equal(rows_at(x, positions), rows[positions])
    assert np.array_equal(x, rows)
    full = _resident_bytes()
    forget(x)
    if full is not None and hasattr(mmap, "MADV_DONTNEED"):
        left = _resident_bytes()
        assert left is not None
        assert full - left > 0.9 * rows.nbytes
    assert np.array_equal(x, rows)


def test_pages_that_may_be_changed_are_left_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(9000))
    x = np.load(tmp_path / "x.npy", mmap_mode="c")
    x[5] = 1  # in memory alone
    assert not is_mapped(x)
    forget(x)
    assert x[5] == 1


def _resident_bytes() -> int | None:
    """Returns the resident bytes of mapped files, where the system tells."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("RssFile")]
    return int(found[0]) * 1024 if found else None
