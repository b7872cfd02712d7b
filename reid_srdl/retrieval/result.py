"""What an evaluation returns: scores, and the rules that they were computed by."""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from reid_srdl.config.protocol import Protocol


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class Scores(_Result):
    """Retrieval scores over all queries that have a match, as fractions between 0 and 1.

    Attributes:
        mAP: mean average precision, the precision at each hit averaged.
        mAP_trapezoid: the same area by trapezoids, as the official Market-1501 code computes it.
        mINP: mean inverse negative penalty, n / r_n.
        rank1, rank5, rank10, rank20: cumulative matching characteristic, CMC(k).
        queries: queries that were scored.
        skipped: queries left out because the gallery holds no match for them; under rules that
            count them as 0 there are none.
    """

    mAP: float  # noqa: N815 - the field's own name
    mAP_trapezoid: float  # noqa: N815
    mINP: float  # noqa: N815
    rank1: float
    rank5: float
    rank10: float
    rank20: float
    queries: int
    skipped: int


class Spread(_Result):
    """Standard deviations of scores over the trials of a single-shot evaluation, as fractions."""

    mAP: float  # noqa: N815 - the field's own name
    mAP_trapezoid: float  # noqa: N815
    mINP: float  # noqa: N815
    rank1: float
    rank5: float
    rank10: float
    rank20: float


class Rules(Protocol):
    """A protocol with its conventions spelled out for the reader of a record.

    ``same_camera_note`` says what ``same_camera`` comes to; ``index_note``, ``rerank_note`` and
    ``expand_note`` say how the ranks depart from exact ones; ``not_reproduced`` names what the
    code that ``rules`` names does differently all the same; ``distractors`` counts gallery
    images of pid 0, where no query has that pid.
    """

    junk: str = "pid -1 ignored"
    same_camera_note: str = "gallery images of the query's pid and camid ignored"
    ties: str = "equal distances by gallery index"
    no_match: str = "queries without a match are left out and counted in 'skipped'"
    ap: str = "mAP: mean of the precision at each hit; mAP_trapezoid: official Market-1501 area"
    not_reproduced: tuple[str, ...] = ()
    index_note: str = "none: ranks over the whole gallery, exact"
    rerank_note: str = "none"
    expand_note: str = "none"
    single_shot: str = "none"
    distractors: int = 0


class OperatingPoint(_Result):
    """Where pairs within a distance are called the same person.

    Attributes:
        asked: the false positive rate that was asked for.
        threshold: the largest distance of any pair with no more false positives; None: there is
            none.
        fpr, tpr: rates of false and true positives within it, as fractions.
        tpr_interval, threshold_interval: over identities; None where there is one only.
    """

    asked: float
    threshold: float | None
    fpr: float
    tpr: float
    tpr_interval: tuple[float, float] | None = None
    threshold_interval: tuple[float, float] | None = None


class CurvePoint(_Result):
    """A point of the receiver operating characteristic: rates within a distance."""

    threshold: float | None
    fpr: float
    tpr: float


class Verification(_Result):
    """Whether two images show one person, over all pairs of query and gallery image that count.

    Attributes:
        measure: which distance: ``euclidean``, ``cosine`` (1 - cos) or ``given``.
        matches, others: pairs of one person, by two cameras, and of two people.
        same_person: at the chosen false positive rate.
        at: at false positive rates of 1e-1 to 1e-4.
        curve: the receiver operating characteristic.
        identities: of the queries, which were resampled.
        resamples, confidence, seed: of the intervals (percentile bootstrap).
    """

    measure: str
    matches: int
    others: int
    same_person: OperatingPoint
    at: tuple[OperatingPoint, ...]
    curve: tuple[CurvePoint, ...]
    identities: int
    resamples: int
    confidence: float
    seed: int


class Evaluation(_Result):
    """Scores of one network's features on one data set.

    Attributes:
        single_query: one query image each.
        multi_query: the boxes of the query's identity and camera pooled; None without boxes.
        protocol: the rules used.
        spread: of the single-query scores over the trials of a single-shot evaluation, else None.
        verification: rates over pairs; left out of JSON where nobody asked for them.
    """

    single_query: Scores
    multi_query: Scores | None = None
    protocol: Rules = Field(default_factory=Rules)
    spread: Spread | None = None
    verification: Verification | None = None

    @model_serializer(mode="wrap")
    def _told(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = plain(self)
        if self.verification is None:
            del told["verification"]
        return told
