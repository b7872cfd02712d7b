"""The settings of a re-id protocol: one section, which configurations and retrieval share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reid_srdl.config.effects import If
from reid_srdl.config.option import CHANGES, ENGINE, RULES, Option
from reid_srdl.config.section import Section

_ON = If("method", "k-reciprocal")
_COUNT = 10**7  # images or draws: more is a slip of the hand, and would fill any memory

RulesName = Literal["ours", "official", "torchreid", "fastreid"]

# What a code's rules mean for settings that are not given: see evaluation.conventions.
_BY_RULES: dict[str, dict[str, Any]] = {
    "official": {"normalize": True},
    "fastreid": {"distance": "cosine"},
}


def with_rules(settings: Any) -> Any:
    """Returns keys of a protocol with what their ``rules`` imply filled in.

    >>> with_rules({"rules": "fastreid", "batch_size": 64})
    {'distance': 'cosine', 'rules': 'fastreid', 'batch_size': 64}
    """
    if not isinstance(settings, Mapping):
        return settings
    return {**_BY_RULES.get(str(settings.get("rules")), {}), **settings}


def _eval(flags: str, panel: str, help: str, metavar: str | None = None) -> Option:
    return Option(flags, help, panel, "eval", metavar)


class Rerank(Section):
    """What changes the distances before ranking: `reranking.rerank`."""

    method: Annotated[
        Literal["none", "k-reciprocal"],
        _eval(
            "--rerank",
            CHANGES,
            "k-reciprocal re-ranking (Zhong et al. 2017); default: {default}.",
        ),
    ] = "none"
    k1: Annotated[
        int, _eval("--rerank-k1", CHANGES, "k1, its number of neighbours; default: {default}."), _ON
    ] = Field(20, ge=1, le=_COUNT)
    k2: Annotated[
        int,
        _eval(
            "--rerank-k2", CHANGES, "k2, the neighbours that it averages over; default: {default}."
        ),
        _ON,
    ] = Field(6, ge=1, le=_COUNT)
    lambda_: Annotated[
        float,
        _eval(
            "--rerank-lambda",
            CHANGES,
            "lambda, the original distance's weight; default: {default}.",
        ),
        _ON,
    ] = Field(0.3, ge=0, le=1, alias="lambda")

    def __str__(self) -> str:
        """Says which, and by which numbers: ``k-reciprocal, k1 20, k2 6, lambda 0.3``."""
        told = f", k1 {self.k1}, k2 {self.k2}, lambda {self.lambda_:g}"
        return self.method if self.method == "none" else self.method + told

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields it where V would be averaged over more than an image's neighbours and itself."""
        if self.method != "none" and self.k2 > self.k1 + 1:
            yield "k2", f"{self.k2} is above k1 + 1 = {self.k1 + 1}", ("k2", self.k1 + 1)


class Expand(Section):
    """What changes the queries before ranking: `reranking.expansion`."""

    method: Annotated[
        Literal["none", "aqe", "alpha-qe"],
        _eval(
            "--expand",
            CHANGES,
            "Query expansion by the nearest images: plain mean, or weighted by cosine^alpha "
            "(L2-normalised features); default: {default}.",
        ),
    ] = "none"
    n: Annotated[
        int,
        _eval("--expand-n", CHANGES, "n, its number of neighbours; default: {default}."),
        If("method", "aqe", "alpha-qe"),
    ] = Field(10, ge=1, le=_COUNT)
    # Beyond 100, cosines below 0.4 weigh nothing in float32: those images would not count at all.
    alpha: Annotated[
        float,
        _eval("--expand-alpha", CHANGES, "alpha, the exponent of the weights; default: {default}."),
        If("method", "alpha-qe"),
    ] = Field(3.0, ge=0, le=100)

    def __str__(self) -> str:
        """Says which, and by which numbers: ``alpha-qe, n 10, alpha 3``."""
        alpha = f", alpha {self.alpha:g}" if self.method == "alpha-qe" else ""
        return self.method if self.method == "none" else f"{self.method}, n {self.n}{alpha}"


class Protocol(Section):
    """Who counts, and how: the rules of an evaluation.

    Attributes:
        rules: whose conventions, see `evaluation.conventions`; ``official`` implies ``normalize``
            and ``fastreid`` the cosine distance where these are not given.
        distance: ``euclidean``, or ``cosine`` (1 - cos, on L2-normalised features); ``given``
            where a matrix of distances was evaluated, which no configuration may ask for.
        normalize: L2-normalise every feature first (``cosine`` always does).
        pooling: how a multi-query's boxes become one feature.
        same_camera: ``ignore`` matches of the query's own camera, or ``keep`` them, see
            `evaluation.cameras`.
        gallery: ``all`` of it, or ``single-shot`` (see `evaluation.single_shot`).
        trials, trial_seed: random galleries of a single-shot evaluation, and the seed of the draws.
        index: a FAISS factory string; None: exact.
        retrieved: images that an approximate index retrieves for each query.
        rerank, expand: what changes distances and queries before ranking.

    >>> Protocol(rules="fastreid").distance
    'cosine'
    """

    rules: Annotated[
        RulesName,
        _eval(
            "--rules",
            RULES,
            "Which code's conventions: official (Market-1501's code; L2-normalised features), "
            "torchreid, "
            "fastreid (cosine); differences that remain are listed below the table. Default: "
            "{default}.",
        ),
    ] = "ours"
    distance: Annotated[
        Literal["euclidean", "cosine", "given"],
        _eval(
            "--distance",
            RULES,
            "Distance of two features; default: {default}.",
            "<euclidean|cosine>",
        ),
    ] = "euclidean"
    normalize: Annotated[
        bool,
        _eval("--normalize/--raw", RULES, "L2-normalise features first; default: {default}."),
    ] = False
    pooling: Annotated[
        Literal["mean", "max"],
        _eval("--pooling", RULES, "How a multi-query's boxes are pooled; default: {default}."),
    ] = "mean"
    same_camera: Annotated[
        Literal["ignore", "keep"],
        _eval(
            "--same-camera",
            RULES,
            "Matches of the query's own camera: ignore or keep; keep where no camera is known; "
            "default: {default}.",
        ),
    ] = "ignore"
    gallery: Annotated[
        Literal["all", "single-shot"],
        _eval(
            "--gallery",
            RULES,
            "all of it, or single-shot: one random image of each identity from the other cameras, "
            "averaged over trials; default: the data set's, {default}.",
        ),
    ] = "all"
    trials: Annotated[
        int,
        _eval(
            "--trials",
            RULES,
            "With single-shot: the number of random galleries; default: {default}.",
        ),
        If("gallery", "single-shot"),
    ] = Field(100, ge=1, le=_COUNT)
    trial_seed: Annotated[
        int,
        _eval(
            "--trial-seed",
            RULES,
            "With single-shot: the seed of the galleries; default: {default}.",
        ),
        If("gallery", "single-shot"),
    ] = Field(0, ge=0, lt=2**63)
    index: Annotated[
        str | None,
        _eval(
            "--index",
            ENGINE,
            "With --engine faiss: score what this FAISS index retrieves, e.g. HNSW32 or "
            "'IVF256,Flat;nprobe=8' (parameters after ;). The mAP is truncated then.",
            "FACTORY",
        ),
        If("engine", "faiss"),
    ] = None
    retrieved: Annotated[
        int,
        _eval(
            "--retrieved",
            ENGINE,
            "With --index: images retrieved per query; default: {default}.",
            "N",
        ),
        If("index"),
    ] = Field(100, ge=1, le=_COUNT)
    rerank: Rerank = Field(default_factory=Rerank)
    expand: Expand = Field(default_factory=Expand)

    def departures(self) -> dict[str, str]:
        """Returns what sets the ranks apart from exact ones of the features as they are, in words.

        >>> Protocol(index="LSH", retrieved=20).departures()
        {'index': 'LSH, 20 retrieved', 'rerank': 'none', 'expand': 'none'}
        """
        index = "none" if self.index is None else f"{self.index}, {self.retrieved} retrieved"
        return {"index": index, "rerank": str(self.rerank), "expand": str(self.expand)}

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, values: Any) -> Any:
        return with_rules(values)

    def contradictions(self) -> Iterator[tuple[str, str, tuple[str, Any] | None]]:
        """Yields what asks for all distances beside an index, which has some; given ones."""
        if self.distance == "given":
            what = "given distances come with eval --distances alone"
            yield "distance", what, ("distance", "euclidean")
        if self.index is not None and self.rerank.method != "none":
            what = "re-ranking needs all distances, an index has some"
            yield "rerank.method", what, ("rerank.method", "none")
