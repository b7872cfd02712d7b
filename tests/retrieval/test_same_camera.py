"""Matches of a query's own camera, left out or kept: on every path, against a full sort."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_srdl import evaluate_distances
from reid_srdl.config import Protocol
from reid_srdl.config.protocol import Expand, Rerank
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored, check_boxes, check_labels, evaluate, evaluate_by
from reid_srdl.evaluation.rank_lists import rank_lists
from reid_srdl.feature_files.reading import load_features, save_features
from reid_srdl.jobs.index_study import study_indexes
from reid_srdl.records.per_query import read_results
from reid_srdl.records.tables import write_per_query
from reid_srdl.report.evaluation import rule_notes
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.labels import UNKNOWN_CAMERA
from tests.cli.run import assert_told, reid_srdl
from tests.retrieval.brute import brute_ranks, distance_table, random_features
from tests.retrieval.engines import PATHS
from tests.retrieval.test_streaming import in_threads

KEEP = Protocol(same_camera="keep")


def features(seed: int = 0, *, boxes: bool = False) -> Features:
    """A small set with ties, junk and distractors."""
    rng = np.random.default_rng(seed)
    made = random_features(rng, gallery=120, dim=6, values=np.arange(-2, 3, dtype=np.float32))
    if not boxes:
        return made
    return Features(made.query, made.gallery, random_features(rng, gallery=40, dim=6).gallery)


def by_camera(part: FeatureSet, camera: int) -> FeatureSet:
    return dataclasses.replace(part, camids=np.full(len(part), camera))


def elsewhere(made: Features) -> Features:
    """The same gallery, by cameras that no query is of."""
    moved = dataclasses.replace(made.gallery, camids=made.gallery.camids + 100)
    return dataclasses.replace(made, gallery=moved)


def full_sort(made: Features) -> list[list[int]]:
    """Each query's ranks, junk alone left out."""
    far = by_camera(made.gallery, 100)
    return brute_ranks(made.query, far, distance_table(made.query, made.gallery))


def precision(ranks: list[int]) -> float:
    return sum(hit / rank for hit, rank in enumerate(ranks, 1)) / len(ranks)


def assert_sorted(done: Scored, made: Features) -> None:
    expected = full_sort(made)
    assert done.single.first_rank.tolist() == [ranks[0] if ranks else 0 for ranks in expected]
    for ap, ranks in zip(done.single.ap.tolist(), expected, strict=True):
        assert ap == pytest.approx(precision(ranks), abs=1e-12) if ranks else np.isnan(ap)
    assert done.single.camids.tolist() == made.query.camids.tolist()


@pytest.mark.parametrize("path", PATHS)
def test_every_engine_keeps_them(path: str) -> None:
    made = features()
    assert_sorted(evaluate(made, KEEP, engine=PATHS[path]()), made)
    ignored = evaluate(made, engine=PATHS[path]())
    assert ignored.evaluation.single_query != evaluate(made, KEEP).evaluation.single_query


def test_a_streamed_gallery_keeps_them_shared_or_not(tmp_path: Path) -> None:
    made = features(1)
    save_features(tmp_path / "f", made)
    streamed = load_features(tmp_path / "f")
    assert_sorted(evaluate(streamed, KEEP), made)
    for done in in_threads(2, lambda group: evaluate(streamed, KEEP, group=group)):
        assert_sorted(done, made)


def test_given_distances_keep_them() -> None:
    made = features(11)
    table = np.array(distance_table(made.query, made.gallery))
    labels = (
        getattr(part, key) for part in (made.query, made.gallery) for key in ("pids", "camids")
    )
    assert_sorted(evaluate_distances(table, *labels, KEEP), made)


def test_rank_lists_hold_them(tmp_path: Path) -> None:
    made = features(2)
    counted = np.flatnonzero(made.gallery.pids != -1)
    table = distance_table(made.query, made.gallery)
    for found in rank_lists(made, KEEP, 20):
        order = sorted(counted.tolist(), key=lambda j: (table[found.query][j], j))
        assert found.gallery.tolist() == order[:20]
    assert (
        evaluate(made, KEEP).lists(20)[0].gallery.tolist()
        == rank_lists(made, KEEP, 20)[0].gallery.tolist()
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"rerank": Rerank(method="k-reciprocal", k1=5, k2=3)},
        {"expand": Expand(method="aqe", n=3)},
        {"gallery": "single-shot", "trials": 5},
        {"rules": "torchreid"},
        {"rules": "official"},
        {"index": "Flat", "retrieved": 30},
    ],
)
def test_every_way_of_ranking_keeps_them(settings: dict[str, Any]) -> None:
    made = features(3)
    engine = "faiss" if "index" in settings else "count"
    kept = evaluate_by(made, Protocol(**settings, same_camera="keep"), engine=engine)
    moved, ignored = (
        evaluate_by(part, Protocol(**settings), engine=engine) for part in (elsewhere(made), made)
    )
    assert ignored.evaluation.single_query != kept.evaluation.single_query
    if "gallery" in settings:  # all queries share the draws then: means, not the same galleries
        assert kept.evaluation.single_query.mAP == pytest.approx(
            moved.evaluation.single_query.mAP, abs=0.1
        )
        assert "from all cameras" in kept.evaluation.protocol.single_shot
    else:
        assert kept.evaluation.single_query == moved.evaluation.single_query


def test_drawn_galleries_hold_images_of_all_cameras() -> None:
    made = features(4)
    one = Features(by_camera(made.query, 1), by_camera(made.gallery, 1))
    drawn = Protocol(gallery="single-shot", trials=3, same_camera="keep")
    assert evaluate_by(one, drawn).evaluation.single_query.skipped == 0


def test_multi_queries_are_pooled_by_their_own_cameras() -> None:
    made = features(5, boxes=True)
    kept, moved = evaluate(made, KEEP), evaluate(elsewhere(made))
    assert kept.evaluation.multi_query == moved.evaluation.multi_query
    assert kept.evaluation.multi_query != evaluate(made).evaluation.multi_query
    assert kept.multi is not None
    assert set(kept.multi.camids.tolist()) == {1, 2, 3}


def test_indexes_are_measured_by_it() -> None:
    made = features(6)
    (cost,) = study_indexes(made, ["Flat"], KEEP, retrieved=len(made.gallery) // 2).indexes
    assert cost.recalls[0] == 1.0
    exact = study_indexes(made, ["Flat"], KEEP, retrieved=10).exact
    assert exact == evaluate(made, KEEP).evaluation.single_query


def test_where_no_camera_is_known_matches_count() -> None:
    made = features(7)
    unknown = Features(*(by_camera(part, UNKNOWN_CAMERA) for part in (made.query, made.gallery)))
    done = evaluate_by(unknown, Protocol())
    assert done.evaluation.single_query == evaluate(made, KEEP).evaluation.single_query
    rules = done.evaluation.protocol
    assert rules.same_camera == "keep"
    assert any("no camera is known" in note for note in rule_notes(rules))
    assert "ignored" in evaluate(made).evaluation.protocol.same_camera_note
    assert evaluate(made).evaluation.protocol.same_camera == "ignore"


def test_one_camera_and_missing_ones_are_refused(tmp_path: Path) -> None:
    made = features(8)
    one = Features(by_camera(made.query, 4), by_camera(made.gallery, 4))
    some = made.gallery.camids.copy()
    some[np.flatnonzero(made.gallery.pids > 0)[:3]] = UNKNOWN_CAMERA
    missing = Features(made.query, dataclasses.replace(made.gallery, camids=some))
    save_features(tmp_path / "f", missing)
    for wrong, words in ((one, "all test images are by one"), (missing, "not known of 3 of")):
        labels = wrong.query.labels, wrong.gallery.labels
        for refuse in (lambda: check_labels(*labels, Protocol()), lambda: evaluate(wrong)):  # noqa: B023
            with pytest.raises(UserError, match=words) as caught:
                refuse()
            assert "--same-camera keep" in caught.value.hint
        check_labels(*labels, KEEP)
        check_boxes(*labels, wrong.query.labels, KEEP)
        evaluate(wrong, KEEP)
    with pytest.raises(UserError, match="not known of 3 of"):
        evaluate(load_features(tmp_path / "f"))


def test_nobodys_cameras_do_not_matter() -> None:
    made = features(9)
    camids = np.where(made.gallery.pids > 0, made.gallery.camids, UNKNOWN_CAMERA)
    other = Features(made.query, dataclasses.replace(made.gallery, camids=camids))
    assert evaluate(other).evaluation == evaluate(made).evaluation


def test_tables_tell_it_and_unlike_ones_are_not_compared(tmp_path: Path) -> None:
    made = features(10)
    save_features(tmp_path / "f.npz", made)
    for rule in ("ignore", "keep"):
        options = ("--features", "f.npz", "--same-camera", rule, "--per-query", f"{rule}.csv")
        done = reid_srdl("eval", *options, "--name", rule, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["protocol"]["same_camera"] == rule
        side = read_results(tmp_path / f"{rule}.csv")
        assert side.protocol is not None
        assert side.protocol.same_camera == rule
    what = "A leaves out matches of the query's own camera, B counts them"
    assert_told(reid_srdl("compare", "ignore.csv", "keep.csv", cwd=tmp_path), what)
    assert_told(reid_srdl("compare", "runs/ignore", "runs/keep", cwd=tmp_path), what)
    scored = evaluate(made, KEEP)
    write_per_query(tmp_path / "a.json", scored.single, None, KEEP)
    told = read_results(tmp_path / "a.json").protocol
    assert told is not None
    assert told.same_camera == "keep"
