"""Verification beside retrieval: rates over the same pairs, by the same rules."""

from __future__ import annotations

import dataclasses

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.cameras import as_ruled, with_cameras
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.parts import Scored, normalizes
from reid_srdl.group.processes import Group
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.given import Distances, GivenRanker
from reid_srdl.retrieval.labels import Labels
from reid_srdl.retrieval.ranks import without_junk
from reid_srdl.retrieval.result import CurvePoint, OperatingPoint, Verification
from reid_srdl.retrieval.rows import rows_of
from reid_srdl.verification.pairs import FeaturePairs, GivenPairs, Pairs
from reid_srdl.verification.rates import rates_at
from reid_srdl.verification.resampling import intervals

_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
_RESAMPLES, _CONFIDENCE, _SEED = 1999, 0.95, 0


def check_verification(protocol: Protocol, group: Group, rate: float) -> None:
    """Checks that pairs can be verified under a protocol.

    Raises:
        UserError: its ranks are not those of pairs' own distances in one gallery; several processes
            share it; or ``rate`` is none.
    """
    if not 0 < rate < 1:
        raise UserError(
            f"verify={rate}: not a false positive rate", "give one above 0 and below 1, e.g. 0.001"
        )
    refused = {
        "--gallery single-shot": protocol.gallery != "all",
        "--index": protocol.index is not None,
        "--rerank": protocol.rerank.method != "none",
        "--expand": protocol.expand.method != "none",
        f"{group.size} processes": group.size > 1,
    }
    if asked := [name for name, given in refused.items() if given]:
        raise UserError(
            f"--verification with {' and '.join(asked)}: it judges each pair by its own distance, "
            "in one process",
            f"leave --verification or {' and '.join(asked)} out",
            usage=True,
        )


def verified(scored: Scored, features: Features, protocol: Protocol, rate: float) -> Scored:
    """Returns an evaluation of features with its verification.

    Args:
        scored: the evaluation.
        features: what was evaluated.
        protocol: its rules and its distance.
        rate: the false positive rate of the threshold for one person, from 0 to 1.

    Raises:
        UserError: as `check_verification`; or there are no pairs of two people.
    """
    normalize = normalizes(protocol)
    queries = rows_of(features.query.features, normalize=normalize)
    gallery, there = without_junk(
        rows_of(features.gallery.features, normalize=normalize),
        features.gallery.labels,
        junk_ignored=CONVENTIONS[protocol.rules].junk_ignored,
    )
    measure = "cosine" if protocol.distance == "cosine" else "euclidean"
    pairs = FeaturePairs(queries, gallery, "cosine" if measure == "cosine" else "euclidean")
    asked = _ruled(protocol, features.query.labels)
    return _with(scored, pairs, measure, (asked, there), rate)


def verified_given(scored: Scored, given: Distances, protocol: Protocol, rate: float) -> Scored:
    """Returns an evaluation of given distances with its verification; see `verified`."""
    queries = rows_of(given.images.query.features)
    gallery, there = without_junk(
        rows_of(given.images.gallery.features),
        given.images.gallery.labels,
        junk_ignored=CONVENTIONS[protocol.rules].junk_ignored,
    )
    pairs = GivenPairs(GivenRanker(given.values), queries, gallery)
    asked = _ruled(protocol, given.images.query.labels)
    return _with(scored, pairs, "given", (asked, there), rate)


def _ruled(protocol: Protocol, query: Labels) -> Labels:
    """Returns the queries by whose labels matches of their own camera count, or do not."""
    return as_ruled(query, with_cameras(protocol, query).same_camera)


def _with(
    scored: Scored, pairs: Pairs, measure: str, labels: tuple[Labels, Labels], rate: float
) -> Scored:
    asked = [rate, *_RATES]
    try:
        rates = rates_at(pairs, *labels, asked)
    except ValueError:
        what = "--verification: the gallery has no image of another person than the query's"
        raise UserError(what, "leave --verification out, or add people") from None
    settings = {"resamples": _RESAMPLES, "confidence": _CONFIDENCE, "seed": _SEED}
    found = intervals(rates, asked, resamples=_RESAMPLES, confidence=_CONFIDENCE, seed=_SEED)
    points = [
        OperatingPoint(asked=own, threshold=point.threshold, fpr=point.fpr, tpr=point.tpr)
        for own, point in zip(asked, rates.at, strict=True)
    ]
    if found is not None:
        points = [
            point.model_copy(update={"tpr_interval": own.tpr, "threshold_interval": own.threshold})
            for point, own in zip(points, found, strict=True)
        ]
    verification = Verification(
        measure=measure,
        matches=rates.matches,
        others=rates.others,
        same_person=points[0],
        at=tuple(points[1:]),
        curve=tuple(CurvePoint(**dataclasses.asdict(point)) for point in rates.curve),
        identities=len(rates.groups[0]),
        **settings,
    )
    evaluation = scored.evaluation.model_copy(update={"verification": verification})
    return dataclasses.replace(scored, evaluation=evaluation)
