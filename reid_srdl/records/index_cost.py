"""What a study of indexes finds: accuracy, memory and time of each, beside the exact scores."""

from __future__ import annotations

from dataclasses import dataclass

from reid_srdl.retrieval.result import Scores

RECALLS = (1, 10, 100)


@dataclass(frozen=True)
class IndexCost:
    """One index of a study.

    Attributes:
        index: its name: FACTORY, or FACTORY;PARAMETER=VALUE,...
        recalls: for k in RECALLS, the share of each query's true k nearest that are among the first
            k retrieved, averaged over the queries; None where a list is shorter than k.
        rank1: CMC(1).
        truncated_mAP: mean average precision over the list; matches not retrieved add 0.
        bytes: size of the index written down.
        build_seconds: training and adding.
        queries_per_second: searching in one batch.
        advice: how many training images FAISS advises where the gallery has fewer, else 0.
    """

    index: str
    recalls: tuple[float | None, ...]
    rank1: float
    truncated_mAP: float  # noqa: N815 - the field's own name
    bytes: int
    build_seconds: float
    queries_per_second: float
    advice: int


@dataclass(frozen=True)
class IndexStudy:
    """A study of several indexes over one set of features.

    Attributes:
        exact: the exact scores over the whole gallery.
        retrieved: images retrieved per query, N.
        queries, gallery, dim: the problem's size, junk left out.
        distance: ``euclidean`` or ``cosine``.
        normalize: whether features were L2-normalised.
        indexes: the costs, in the order asked for.
    """

    exact: Scores
    retrieved: int
    queries: int
    gallery: int
    dim: int
    distance: str
    normalize: bool
    indexes: tuple[IndexCost, ...]
