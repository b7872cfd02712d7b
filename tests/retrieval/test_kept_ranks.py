"""What evaluations keep of their rankings, against sorts and evaluations of parts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored, evaluate_by, evaluate_given
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.given import checked_distances
from reid_srdl.retrieval.kept import IGNORED, KEPT, MATCH, KeptRanks
from tests.retrieval.brute import distance_table, random_features
from tests.retrieval.test_rerank import people

SETTINGS = {
    "exact": {},
    "cosine": {"distance": "cosine"},
    "keep": {"same_camera": "keep"},
    "reranked": {"rerank": {"method": "k-reciprocal", "k1": 6, "k2": 3}},
    "expanded": {"expand": {"method": "aqe", "n": 3}},
    "index": {"index": "IVF4,Flat;nprobe=2", "retrieved": 60},
}


def _kept(features: Features, settings: dict[str, object]) -> tuple[Scored, KeptRanks]:
    protocol = Protocol.model_validate(settings)
    engine: Literal["count", "faiss"] = "faiss" if protocol.index else "count"
    scored = evaluate_by(features, protocol, engine=engine, keep=True)
    assert scored.kept is not None
    return scored, scored.kept


def _listed(kept: KeptRanks, query: int) -> list[int]:
    """Returns the gallery positions that count in a query's list."""
    part = kept.list_of(query)
    counts = kept.kinds[part] != IGNORED
    return kept.images.positions[kept.listed[part]][counts].tolist()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_lists_are_those_of_the_ranking_that_gave_the_scores(settings: dict[str, object]) -> None:
    features = people(5, gallery=400)
    scored, kept = _kept(features, settings)
    for found in scored.lists(KEPT):
        assert _listed(kept, found.query) == found.gallery.tolist()
        kinds = kept.kinds[kept.list_of(found.query)]
        assert (kinds[kinds != IGNORED] == MATCH).tolist() == found.match.tolist()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_average_precision_follows_from_what_is_kept(settings: dict[str, object]) -> None:
    features = people(6, gallery=400)
    scored, kept = _kept(features, settings)
    missed = 0
    for query in range(len(kept)):
        kinds = kept.kinds[kept.list_of(query)]
        ranks = (1 + np.flatnonzero(kinds[kinds != IGNORED] == MATCH)).tolist()
        far = kept.missed_ranks[kept.missed_of(query)].tolist()
        ranks += [rank for rank in far if rank]
        precision = sum(i / rank for i, rank in enumerate(ranks, 1)) / (len(ranks) + far.count(0))
        assert precision == pytest.approx(scored.single.ap[query], abs=1e-12)
        who = kept.images.pids[kept.missed[kept.missed_of(query)]]
        assert (who == features.query.pids[query]).all()
        missed += len(far)
    assert missed > 20


@pytest.mark.parametrize("values", [None, [0.0, 1.0]], ids=["plain", "ties"])
def test_missed_matches_and_ignored_images_equal_a_full_sort(values: list[float] | None) -> None:
    drawn = None if values is None else np.float32(values)
    rng = np.random.default_rng(3)
    features = random_features(rng, queries=10, gallery=300, dim=4, ids=4, values=drawn)
    _, kept = _kept(features, {})
    table = distance_table(features.query, features.gallery)
    for query in range(10):
        order = [
            j
            for j in sorted(range(300), key=lambda j: (table[query][j], j))
            if features.gallery.pids[j] != -1
        ]
        same = [features.gallery.pids[j] == features.query.pids[query] for j in order]
        own = [
            is_same and features.gallery.camids[j] == features.query.camids[query]
            for j, is_same in zip(order, same, strict=True)
        ]
        last = int(np.flatnonzero(np.cumsum(~np.array(own)) == KEPT)[0]) + 1
        part = kept.list_of(query)
        assert kept.images.positions[kept.listed[part]].tolist() == order[:last]
        assert (kept.kinds[part] == IGNORED).tolist() == own[:last]
        ranks = np.cumsum(~np.array(own))
        far = {
            j: int(rank)
            for j, rank, is_same, is_own in list(zip(order, ranks, same, own, strict=True))[last:]
            if is_same and not is_own
        }
        below = kept.missed_of(query)
        assert kept.missed_ranks[below].tolist() == list(far.values())
        there = kept.images.positions[kept.missed[below]].tolist()
        assert sorted(there) == sorted(far)
        if values is None:
            assert there == list(far)


@pytest.mark.parametrize("name", ["exact", "keep", "expanded"])
def test_a_cell_is_the_evaluation_in_the_gallery_of_one_camera(name: str) -> None:
    features = people(7, gallery=400)
    _, kept = _kept(features, SETTINGS[name])
    table = kept.cameras
    assert table is not None
    cells = 0
    for row, camera in enumerate(table.query.tolist()):
        for column, there in enumerate(table.gallery.tolist()):
            part = Features(_of_camera(features.query, camera), _of_camera(features.gallery, there))
            try:
                found = evaluate_by(part, Protocol.model_validate(SETTINGS[name]))
            except UserError:  # no match
                assert np.isnan(table.mAP[row, column])
                assert table.queries[row, column] == 0
                continue
            cells += 1
            own = found.evaluation.single_query
            assert table.queries[row, column] == own.queries
            assert table.mAP[row, column] == own.mAP
            assert table.rank1[row, column] == own.rank1
            assert table.mINP[row, column] == own.mINP
    assert cells >= 4


@pytest.mark.parametrize("engine", ["count", "faiss"])
@pytest.mark.parametrize("values", [None, [0.0, 1.0]], ids=["plain", "ties"])
def test_one_pass_gives_scores_and_cells_alike(
    values: list[float] | None, engine: Literal["count", "faiss"]
) -> None:
    """Equal distances within a camera and across cameras go by position, in both galleries."""
    drawn = None if values is None else np.float32(values)
    rng = np.random.default_rng(11)
    features = random_features(rng, queries=24, gallery=300, dim=4, ids=4, values=drawn)
    kept = evaluate_by(features, Protocol(), engine=engine, keep=True)
    plain = evaluate_by(features, Protocol(), engine=engine)
    np.testing.assert_array_equal(kept.single.ap, plain.single.ap)
    np.testing.assert_array_equal(kept.single.first_rank, plain.single.first_rank)
    np.testing.assert_array_equal(kept.single.inp, plain.single.inp)
    assert kept.kept is not None
    table = kept.kept.cameras
    assert table is not None
    for column, there in enumerate(table.gallery.tolist()):
        part = Features(features.query, _of_camera(features.gallery, there))
        own = evaluate_by(part, Protocol(), engine=engine).single
        for row, camera in enumerate(table.query.tolist()):
            asked = (features.query.camids == camera) & own.matched
            assert table.queries[row, column] == asked.sum()
            if asked.any():
                assert table.mAP[row, column] == pytest.approx(own.ap[asked].mean(), rel=1e-14)


WHOLE = {  # rankings in which a camera's images keep the order that gave the scores
    "reranked": SETTINGS["reranked"],
    "expanded-reranked": SETTINGS["reranked"] | SETTINGS["expanded"],
    "index": SETTINGS["index"],
    "expanded-index": SETTINGS["index"] | SETTINGS["expanded"],
}


@pytest.mark.parametrize("settings", WHOLE.values(), ids=WHOLE.keys())
def test_cells_of_one_ranking_are_its_own_images_of_a_camera(settings: dict[str, object]) -> None:
    """By the lists of the ranking: a match that an index did not retrieve adds 0."""
    features = people(7, gallery=400)
    scored, kept = _kept(features, settings)
    table = kept.cameras
    assert table is not None
    assert kept.cameras_note == ""
    whole = {found.query: found.gallery for found in scored.lists(400)}
    camids, pids = features.gallery.camids, features.gallery.pids
    cells = missed = 0
    for row, camera in enumerate(table.query.tolist()):
        for column, there in enumerate(table.gallery.tolist()):
            precisions, firsts = [], []
            for query in np.flatnonzero(features.query.camids == camera).tolist():
                order = whole[query][camids[whole[query]] == there]
                ranks = 1 + np.flatnonzero(pids[order] == features.query.pids[query])
                count = int(((pids == features.query.pids[query]) & (camids == there)).sum())
                if count and there != camera:
                    precisions.append(float((np.arange(1, len(ranks) + 1) / ranks).sum()) / count)
                    firsts.append(bool(len(ranks)) and ranks[0] == 1)
                    missed += count - len(ranks)
            assert table.queries[row, column] == len(precisions)
            if precisions:
                cells += 1
                assert table.mAP[row, column] == pytest.approx(np.mean(precisions), rel=1e-12)
                assert table.rank1[row, column] == pytest.approx(np.mean(firsts), rel=1e-12)
    assert cells >= 4
    assert (missed > 0) == ("index" in settings)


def test_why_there_are_no_cells_is_kept() -> None:
    features = people(7, gallery=400)
    gallery = dataclasses.replace(features.gallery, camids=np.arange(400) + 1)
    _, kept = _kept(Features(features.query, gallery), {})
    assert kept.cameras is None
    assert kept.cameras_note == "there are more than 64 cameras"


def _of_camera(part: FeatureSet, camera: int) -> FeatureSet:
    own = np.flatnonzero(part.camids == camera)
    return FeatureSet(part.features[own], part.pids[own], part.camids[own])


def test_a_streamed_gallery_keeps_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reid_srdl.retrieval.memory import mapped as mapped_arrays
    from reid_srdl.retrieval.streams import stretches

    features = people(8, gallery=400)
    _, expected = _kept(features, {})
    np.save(tmp_path / "gallery.npy", features.gallery.features)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    monkeypatch.setattr(stretches, "_VALUES", 64 * mapped.shape[1])
    monkeypatch.setattr(mapped_arrays, "_SMALL_BYTES", 0)
    assert mapped_arrays.is_mapped(mapped)
    gallery = dataclasses.replace(features.gallery, features=mapped)
    _, found = _kept(Features(features.query, gallery), {})
    _same(found, expected)


def test_given_distances_keep_the_same() -> None:
    features = people(9)
    _, expected = _kept(features, {})
    table = np.array(distance_table(features.query, features.gallery))
    given = checked_distances(np.sqrt(table), features.query, features.gallery)
    found = evaluate_given(given, keep=True).kept
    assert found is not None
    assert found.measure == "given"
    _same(dataclasses.replace(found, measure="euclidean"), expected)


def _same(found: KeptRanks, expected: KeptRanks) -> None:
    for field in dataclasses.fields(KeptRanks):
        mine, other = getattr(found, field.name), getattr(expected, field.name)
        if dataclasses.is_dataclass(mine):
            for inner in dataclasses.fields(mine):
                both = getattr(mine, inner.name), getattr(other, inner.name)
                np.testing.assert_array_equal(*both, err_msg=f"{field.name}.{inner.name}")
        else:
            np.testing.assert_array_equal(mine, other, err_msg=field.name)


def test_nothing_is_kept_that_nobody_asked_for_and_nothing_of_drawn_galleries() -> None:
    features = people(1)
    assert evaluate_by(features, Protocol()).kept is None
    drawn = Protocol(gallery="single-shot", trials=2)
    assert evaluate_by(features, drawn, keep=True).kept is None
