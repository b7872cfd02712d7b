"""Evaluation by any protocol: whole or drawn galleries, indexes, re-ranking, expansion."""

from __future__ import annotations

import numpy as np

from reid_srdl.config.protocol import Protocol
from reid_srdl.errors import UserError
from reid_srdl.evaluation.checks import check_labels, check_settings
from reid_srdl.evaluation.conventions import CONVENTIONS
from reid_srdl.evaluation.exact import ExactRanker
from reid_srdl.evaluation.parts import EngineName, Progress, Scored, engine_of
from reid_srdl.evaluation.ranked import evaluate
from reid_srdl.evaluation.verified import check_verification, verified
from reid_srdl.group.processes import Alone, Group
from reid_srdl.retrieval.features import Features, FeatureSet
from reid_srdl.retrieval.lists import Lister
from reid_srdl.retrieval.memory.mapped import is_mapped


def evaluate_by(
    features: Features,
    protocol: Protocol,
    *,
    engine: EngineName = "count",
    device: str = "cpu",
    progress: Progress | None = None,
    group: Group | None = None,
    verify: float | None = None,
    keep: bool = False,
) -> Scored:
    """Evaluates features by a protocol, such as a configuration's ``eval`` section.

    Args:
        features: as for `evaluate`.
        protocol: all of its settings are followed.
        engine: who computes exact ranks.
        device, progress, group: as for `evaluate`.
        verify: a false positive rate: verify pairs, too, and find the threshold of one person at
            that rate; None: do not.
        keep: keep the top of the ranking, too, see `records.kept_ranks`; drawn galleries have none.

    Raises:
        UserError: the settings contradict each other, or as `evaluate`.
    """
    if protocol.distance == "given":
        raise UserError("given distances: there are features", "use evaluate_distances")
    check_shared(protocol, engine, group or Alone(), verify)
    check_settings(protocol, engine)
    if all(map(_tells, (features.query, features.gallery))):
        check_labels(features.query.labels, features.gallery.labels, protocol)
    scored = evaluate(
        features,
        protocol,
        engine=engine,
        device=device,
        progress=progress,
        ranker=_ranker(protocol, engine, device),
        group=group,
        keep=keep,
    )
    return scored if verify is None else verified(scored, features, protocol, verify)


def check_shared(
    protocol: Protocol, engine: EngineName, group: Group, verify: float | None = None
) -> None:
    """Checks that several processes can share what the settings ask for, and pairs be verified.

    Raises:
        UserError: they cannot.
    """
    if verify is not None:
        check_verification(protocol, group, verify)
    asked = {
        "--engine faiss": engine != "count",
        "--index": protocol.index is not None,
        "--rerank": protocol.rerank.method != "none",
        "--expand": protocol.expand.method != "none",
        "--gallery single-shot": protocol.gallery != "all",
    }
    whole = [name for name, given in asked.items() if given]
    if group.size > 1 and whole:
        raise UserError(
            f"{' and '.join(whole)}: needs the whole gallery, {group.size} processes share it",
            f"leave {'them' if len(whole) > 1 else 'it'} out, or start one process",
            usage=True,
        )


def _tells(part: FeatureSet) -> bool:
    """Says whether a set's labels are in memory and sound; others are for `evaluate` to name."""
    labels = (part.pids, part.camids)
    sound = all(
        isinstance(own, np.ndarray) and own.dtype.kind in "iu" and own.shape == (len(part),)
        for own in labels
    )
    return sound and not is_mapped(part.pids)


def _ranker(protocol: Protocol, engine: EngineName, device: str) -> Lister | None:
    """Returns who ranks where that is not the exact engine alone."""
    ranker = _inner_ranker(protocol, engine, device)
    expand = protocol.expand
    if expand.method == "none":
        return ranker
    from reid_srdl.reranking.expansion import ExpandedRanker

    inner = ranker or ExactRanker(engine_of(engine, device))
    return ExpandedRanker(inner, expand.method, expand.n, expand.alpha)


def _inner_ranker(protocol: Protocol, engine: EngineName, device: str) -> Lister | None:
    rerank = protocol.rerank
    if rerank.method != "none":
        from reid_srdl.reranking.rerank import KReciprocalRanker

        power = CONVENTIONS[protocol.rules].rerank_power
        return KReciprocalRanker(rerank.k1, rerank.k2, rerank.lambda_, power)
    if protocol.index is None:
        return None
    from reid_srdl.by_faiss.approximate import ApproximateRanker

    return ApproximateRanker(protocol.index, protocol.retrieved, gpu=device.startswith("cuda"))
