"""Failing input 4: rank lists are those that were scored, whatever ranked."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_srdl.config import EvalConfig
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Scored, evaluate_by
from reid_srdl.records.tables import write_rank_lists
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.ranks import UNRETRIEVED

RERANK = {"rerank": {"method": "k-reciprocal", "k1": 6, "k2": 3}}
AQE = {"expand": {"method": "aqe", "n": 3}}
ALPHA = {"expand": {"method": "alpha-qe", "n": 3}, "normalize": True}
INDEX = {"engine": "faiss", "retrieved": 15}
KINDS: dict[str, dict[str, object]] = {
    "exact": {},
    "cosine": {"distance": "cosine"},
    "faiss": {"engine": "faiss"},
    "re-ranked": RERANK,
    "re-ranked by cosines": {**RERANK, "distance": "cosine"},
    "torchreid's": {**RERANK, "rules": "torchreid"},
    "expanded": AQE,
    "expanded by cosines": ALPHA,
    "expanded and re-ranked": {**AQE, **RERANK},
    "HNSW": {**INDEX, "index": "HNSW4"},
    "LSH": {**INDEX, "index": "LSH"},
    "IVF": {**INDEX, "index": "IVF4,Flat;nprobe=2"},
    "expanded, in an index": {**AQE, **INDEX, "index": "SQ8"},
    "official": {"rules": "official"},
}


def drawn_features(seed: int) -> Features:
    """Some people, in groups that overlap, with junk, distractors, and ties."""
    rng = np.random.default_rng(seed)
    dim = int(rng.integers(3, 10))
    centres = 2 * rng.standard_normal((8, dim))

    def draw(count: int, lowest: int) -> FeatureSet:
        pids = rng.integers(lowest, 7, count)
        x = centres[pids + 1] + 2.2 * rng.standard_normal((count, dim))
        if seed % 3 == 0:
            x = x.round()
        return FeatureSet(x.astype(np.float32), pids, rng.integers(1, 4, count))

    made = Features(draw(int(rng.integers(3, 9)), 1), draw(int(rng.integers(60, 90)), -1))
    made.query.pids[0], made.query.camids[0] = 1, 1
    made.gallery.pids[0], made.gallery.camids[0] = 1, 2  # a match for somebody
    return made


def scored(features: Features, chosen: dict[str, object]) -> Scored:
    settings = EvalConfig(**chosen)
    return evaluate_by(features, settings, engine=settings.engine)


def first_ranks(result: Scored, k: int) -> list[int]:
    """The scored first ranks, 0 where there is none or it is beyond k."""
    ranks = result.single.first_rank
    return [0 if rank == UNRETRIEVED or rank > k else int(rank) for rank in ranks]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 45))
def test_a_lists_first_match_has_the_scored_rank(kind: str, seed: int, k: int) -> None:
    features = drawn_features(seed)
    result = scored(features, KINDS[kind])
    lists = result.lists(k)
    listed = [int(found.match.argmax()) + 1 if found.match.any() else 0 for found in lists]
    assert listed == first_ranks(result, k)
    for found in lists:
        assert (np.diff(found.distances) >= 0).all()
        pids, camids = features.gallery.pids[found.gallery], features.gallery.camids[found.gallery]
        same = pids == features.query.pids[found.query]
        assert np.array_equal(found.match, same)
        assert not (same & (camids == features.query.camids[found.query])).any()


def test_whole_lists_hold_all_ranks_of_re_ranking() -> None:
    features = drawn_features(1)
    result = scored(features, RERANK)
    for found in result.lists(len(features.gallery)):
        hits = 1 + np.flatnonzero(found.match)
        if result.single.matched[found.query]:
            ap = np.mean(np.arange(1, len(hits) + 1) / hits)
            assert result.single.ap[found.query] == pytest.approx(ap, abs=1e-12)


def test_the_distance_column_says_which_distance(tmp_path: Path) -> None:
    told = {}
    for kind, chosen in KINDS.items():
        features = drawn_features(4)
        result = scored(features, chosen)
        write_rank_lists(tmp_path / "l.csv", features, result.lists(3))
        with (tmp_path / "l.csv").open(encoding="utf-8", newline="") as file:
            (told[kind],) = {row["measure"] for row in csv.DictReader(file)}
    assert told["exact"] == told["faiss"] == "euclidean"
    assert told["official"] == "euclidean"
    assert told["cosine"] == "cosine"
    assert told["re-ranked"] == "k-reciprocal of euclidean"
    assert told["re-ranked by cosines"] == "k-reciprocal of cosine"
    assert told["expanded and re-ranked"] == "k-reciprocal of euclidean, aqe"
    assert told["LSH"] == "index LSH"


def test_drawn_galleries_have_no_lists() -> None:
    result = scored(drawn_features(4), {"gallery": "single-shot", "trials": 3})
    with pytest.raises(UserError, match="single-shot") as raised:
        result.lists(3)
    assert raised.value.exit_status == 2
