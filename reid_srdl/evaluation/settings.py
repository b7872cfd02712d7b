"""Evaluation as the ``eval`` section of a configuration asks for."""

from __future__ import annotations

from reid_srdl.config import EvalConfig
from reid_srdl.errors import UserError
from reid_srdl.evaluation.drawn import evaluate_drawn
from reid_srdl.evaluation.parts import Evaluated, Progress, engine_of
from reid_srdl.evaluation.ranked import evaluate
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.ranks import ExactRanker, Ranker
from reid_srdl.retrieval.result import Protocol
from reid_srdl.retrieval.sharing.sharding import Alone, Group
from reid_srdl.retrieval.single_shot import SingleShot


def evaluate_by(
    features: Features,
    settings: EvalConfig,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    group: Group | None = None,
) -> Evaluated:
    """Evaluates features as a configuration's ``eval`` section asks for.

    Raises:
        UserError: the settings contradict each other, or as `evaluate`.
    """
    check_shared(settings, group or Alone())
    if settings.gallery == "single-shot":
        return evaluate_drawn(
            features,
            protocol_of(settings),
            SingleShot(settings.trials, settings.trial_seed),
            counting=engine_of(settings.engine, device),
            ranker=_ranker(settings, device),
            progress=progress,
        )
    return evaluate(
        features,
        protocol_of(settings),
        engine=settings.engine,
        device=device,
        progress=progress,
        ranker=_ranker(settings, device),
        group=group,
    )


def check_shared(settings: EvalConfig, group: Group) -> None:
    """Checks that several processes can share what the settings ask for.

    Raises:
        UserError: they cannot.
    """
    asked = {
        "--engine faiss": settings.engine != "count",
        "--index": settings.index is not None,
        "--rerank": settings.rerank != "none",
        "--expand": settings.expand != "none",
        "--gallery single-shot": settings.gallery != "all",
    }
    whole = [name for name, given in asked.items() if given]
    if group.size > 1 and whole:
        raise UserError(
            f"{' and '.join(whole)}: needs the whole gallery, {group.size} processes share it",
            f"leave {'them' if len(whole) > 1 else 'it'} out, or start one process",
            usage=True,
        )


def protocol_of(settings: EvalConfig) -> Protocol:
    """Returns the protocol that a configuration's ``eval`` section asks for."""
    return Protocol(
        rules=settings.rules,
        distance=settings.distance,
        normalize=settings.normalize,
        pooling=settings.pooling,
        gallery=settings.gallery,
    )


def _ranker(settings: EvalConfig, device: str) -> Ranker | None:
    """Returns who ranks where that is not the exact engine alone."""
    ranker = _inner_ranker(settings, device)
    if settings.expand == "none":
        return ranker
    from reid_srdl.retrieval.reranking.expansion import ExpandedRanker

    inner = ranker or ExactRanker(engine_of(settings.engine, device))
    return ExpandedRanker(inner, settings.expand, settings.expand_n, settings.expand_alpha)


def _inner_ranker(settings: EvalConfig, device: str) -> Ranker | None:
    if settings.rerank != "none":
        if settings.index is not None:
            raise UserError(
                "--rerank and --index: re-ranking needs all distances, an index has some",
                "leave one of them out",
                usage=True,
            )
        from reid_srdl.retrieval.reranking.rerank import KReciprocalRanker

        k1, k2 = settings.rerank_k1, settings.rerank_k2
        return KReciprocalRanker(k1, k2, settings.rerank_lambda)
    if settings.index is None:
        return None
    if settings.engine != "faiss":
        raise UserError(
            f"--index {settings.index}: the engine {settings.engine!r} has no index",
            "add --engine faiss",
            usage=True,
        )
    from reid_srdl.retrieval.approximate import ApproximateRanker

    return ApproximateRanker(settings.index, settings.retrieved, gpu=device.startswith("cuda"))
