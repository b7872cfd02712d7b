"""Single-shot evaluation: galleries of one drawn image of each identity."""

from __future__ import annotations

import math

from reid_srdl.config.protocol import Protocol
from reid_srdl.evaluation.cameras import as_ruled, check_cameras, with_cameras
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.parts import (
    Counting,
    Progress,
    Scored,
    normalizes,
    rules_of,
    unmatched,
)
from reid_srdl.evaluation.rank_lists import rank_lists
from reid_srdl.retrieval.features import Features, checked
from reid_srdl.retrieval.ranks import ExactRanker, Ranker, without_junk
from reid_srdl.retrieval.result import Evaluation
from reid_srdl.retrieval.rows import rows_of
from reid_srdl.retrieval.rules import distractors
from reid_srdl.retrieval.single_shot import SingleShot, drawn_ranks, trial_scores


def evaluate_drawn(
    features: Features,
    protocol: Protocol,
    shots: SingleShot,
    *,
    counting: Counting,
    ranker: Ranker | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Evaluates drawn galleries, one image of each identity; there is no multi-query here.

    Args:
        features: queries and gallery.
        protocol: the rules.
        shots: how many galleries are drawn, and their seed.
        counting: the engine of exact ranks.
        ranker: ranks otherwise than exactly by distance; None: the engine.
        progress: called with (pairs done, pairs in all).

    Raises:
        UserError: the features cannot be evaluated, or no query has a match.
    """
    features = checked(features)
    ranker, undecided = ranker or ExactRanker(counting), counting.undecided
    query, gallery = (
        rows_of(part.features, normalize=normalizes(protocol))
        for part in (features.query, features.gallery)
    )
    rules = CONVENTIONS[protocol.rules]
    labels, there = features.query.labels, features.gallery.labels
    protocol = with_cameras(protocol, labels)
    check_cameras(labels, there, protocol.same_camera)
    asked = as_ruled(labels, protocol.same_camera)
    counted = without_junk(gallery, there, junk_ignored=rules.junk_ignored)
    ranks = drawn_ranks(query, asked, *counted, ranker, shots, progress)
    if not ranks.any():
        raise unmatched()
    names = None if features.query.names is None else tuple(features.query.names)
    left_out = 0.0 if rules.unmatched == "zero" else math.nan
    mean, spread, single = trial_scores(ranks, labels, names, left_out)
    told = rules_of(protocol, ranker, labels, len(distractors(labels, there)))
    quirks = {"not_reproduced": (*told.not_reproduced, *rules.single_shot)}
    told = told.model_copy(update=shots.told(protocol.same_camera) | quirks)
    evaluation = Evaluation(single_query=mean, protocol=told, spread=spread)
    return Scored(
        evaluation,
        single,
        None,
        counting.undecided - undecided,
        lambda k: rank_lists(features, protocol, k),  # which refuses drawn galleries
    )
