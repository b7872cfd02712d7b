"""Evaluates a matrix of distances that was made elsewhere, by the same rules and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from numpy.typing import ArrayLike

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.checks import check_labels, check_settings
from reid_srdl.evaluation.parts import Progress, Scored
from reid_srdl.evaluation.ranked import evaluate
from reid_srdl.evaluation.verified import check_verification, verified_given
from reid_srdl.group.processes import Alone
from reid_srdl.retrieval.given import Distances, GivenRanker, checked_distances, labelled

P = TypeVar("P", bound=Protocol)


def evaluate_distances(
    distances: ArrayLike,
    query_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_pids: ArrayLike,
    gallery_camids: ArrayLike,
    protocol: Protocol | None = None,
    *,
    query_names: Sequence[str] | None = None,
    gallery_names: Sequence[str] | None = None,
    progress: Progress | None = None,
    verify: float | None = None,
) -> Scored:
    """Evaluates a matrix of distances by the person re-identification protocol.

    Args:
        distances: Q x G, float16, float32 or float64 in any unit, smaller is nearer; a
            memory-mapped one is read a block of rows at a time.
        query_pids, query_camids: Q identities and cameras, integers.
        gallery_pids, gallery_camids: G of them; identity -1 is junk, 0 a distractor.
        protocol: whose rules, whole or drawn galleries; what needs features is refused.
        query_names, gallery_names: what rank lists and tables of queries call the images.
        progress: called with (pairs of query and gallery image done, pairs in all).
        verify: a false positive rate: judge pairs, too, and find the threshold of one person at it.

    Raises:
        UserError: a wrong shape, type or length, NaN or infinity, a setting that needs features,
            or no query with a match.

    >>> import numpy as np
    >>> near = np.array([[0.1, 0.7, 0.2], [0.9, 0.3, 0.4]], np.float32)
    >>> found = evaluate_distances(near, [7, 8], [1, 1], [7, 8, 8], [2, 2, 3])
    >>> found.evaluation.single_query.mAP, found.single.first_rank.tolist()
    (1.0, [1, 1])
    """
    given = checked_distances(
        distances,
        labelled(query_pids, query_camids, query_names),
        labelled(gallery_pids, gallery_camids, gallery_names),
    )
    return evaluate_given(given, protocol, progress, verify)


def evaluate_given(
    given: Distances,
    protocol: Protocol | None = None,
    progress: Progress | None = None,
    verify: float | None = None,
    *,
    keep: bool = False,
) -> Scored:
    """Evaluates checked distances; see `evaluate_distances`.

    Raises:
        UserError: a setting that needs features, or no query has a match.
    """
    protocol = of_given(protocol or Protocol())
    if verify is not None:
        check_verification(protocol, Alone(), verify)
    check_settings(protocol, "count")
    images, ranker = given.images, GivenRanker(given.values)
    check_labels(images.query.labels, images.gallery.labels, protocol)
    scored = evaluate(images, protocol, ranker=ranker, progress=progress, keep=keep)
    return scored if verify is None else verified_given(scored, given, protocol, verify)


def of_given(protocol: P) -> P:
    """Returns a protocol as it holds for given distances: rules and gallery.

    Distance and normalisation have been somebody else's choice, so they are not looked at.

    Raises:
        UserError: it asks for what needs features.
    """
    needs = {
        "--rerank (which needs the distances of queries to each other, too)": (
            protocol.rerank.method != "none"
        ),
        "--expand": protocol.expand.method != "none",
        "--index": protocol.index is not None,
    }
    for option, wanted in needs.items():
        if wanted:
            raise UserError(
                f"{option}: needs features, a matrix of distances has none",
                "evaluate features, or leave it out",
                usage=True,
            )
    return protocol.model_copy(update={"distance": "given", "normalize": False})
