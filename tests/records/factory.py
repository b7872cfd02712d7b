"""Records made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reid_srdl.config import Config, EvalConfig, MethodOptions, fingerprint, merge
from reid_srdl.records.evaluated import own_data, settings_used
from reid_srdl.records.naming import method_label
from reid_srdl.records.queries import QueryScores, ScoredQueries
from reid_srdl.records.run import (
    Cost,
    DatasetFacts,
    Device,
    Evaluated,
    EvaluationData,
    FeaturesRecord,
    MethodFacts,
    NetworkFacts,
    Phase,
    RunRecord,
    Versions,
    Work,
)
from reid_srdl.retrieval.result import Evaluation, Scores

FIRST_OF_MAY = datetime(2025, 5, 1, tzinfo=UTC)
DATASET = DatasetFacts(
    name="market1501", images=12_936, identities=751, query=3_368, gallery=19_732, boxes=25_259
)


VERSIONS = Versions(
    python="3.11.7",
    torch="2.15.0",
    torchvision=None,
    numpy="2.4.6",
    faiss="1.15.1",
    reid_srdl="0.1.0",
)


class FakeSrdl(MethodOptions):
    restart: bool = True


def scores(rank1: float, mean_ap: float) -> Scores:
    return Scores(
        mAP=mean_ap,
        mAP_trapezoid=mean_ap - 0.01,
        mINP=mean_ap / 2,
        rank1=rank1,
        rank5=rank1,
        rank10=rank1,
        rank20=rank1,
        queries=3,
        skipped=1,
    )


def evaluation(rank1: float, mean_ap: float, *, multi: bool = True) -> Evaluation:
    pooled = scores(rank1 + 0.04, mean_ap + 0.08) if multi else None
    return Evaluation(single_query=scores(rank1, mean_ap), multi_query=pooled)


def record(
    method: str = "vanilla",
    seed: int = 0,
    rank1: float | None = 0.5,
    mean_ap: float = 0.25,
    *,
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    days: int = 0,
    multi: bool = True,
    precision: str = "fp32",
    results: Mapping[str, Any] | None = None,
    per_query: Mapping[str, ScoredQueries] | None = None,
    **fields: Any,
) -> RunRecord:
    """A record; ``config`` is laid over the defaults, ``rank1=None`` leaves evaluation out.

    ``results`` and ``per_query`` are by network; without, there is one, ``final``.
    """
    tree = merge(
        {"train": {"seed": seed}, "method": {"name": method, **(options or {})}}, config or {}
    )
    if method == "srdl":
        whole: Any = Config[FakeSrdl].model_validate(tree)
    else:
        whole = Config[MethodOptions].model_validate(tree)
    plain = whole.model_dump(mode="json")
    label = method_label(method, options or {}, FakeSrdl().model_dump())
    result = None if rank1 is None else evaluation(rank1, mean_ap, multi=multi)
    made: dict[str, Any] = {
        "name": f"{method}-{seed}-{days}",
        "created": FIRST_OF_MAY + timedelta(days=days),
        "experiment": fingerprint(whole, without=["train.seed", "train.precision"]),
        "dataset": DATASET,
        "method": MethodFacts(name=method, label=label),
        "model": plain["model"]["name"],
        "seed": seed,
        "epochs": plain["train"]["epochs"],
        "parameters": 25_046_831,
        "cost": Cost(
            macs=2_671_000_000,
            epochs=plain["train"]["epochs"],
            images=12_936,
            trcost=0.4146,
            seconds=12.5,
            images_per_second=140.0,
        ),
        "phases": (
            Phase(
                name="one",
                kind="fit",
                key="0123456789abcdef" * 2,
                epochs=60,
                networks={"one": NetworkFacts(model="resnet50", loss={"ce": 0.1}, accuracy=0.9)},
                work=Work.of(4_072 * 10**12, 8_128 * 10**12),
                seconds=6,
            ),
            Phase(
                name="knowledge",
                kind="extract",
                key="fedcba9876543210" * 2,
                epochs=1,
                networks={"resnet50": NetworkFacts(model="resnet50")},
                work=Work.of(34 * 10**12, 0),
                seconds=0.5,
            ),
        ),
        "work": Work.of(4_106 * 10**12, 8_128 * 10**12),
        "versions": VERSIONS,
        "device": Device(name="AMD EPYC", precision=precision, threads=2),
        "config": plain,
    }
    made |= fields
    if "evaluations" not in made:
        results = {"final": result} if results is None else results
        made["evaluations"] = evaluations(made["dataset"], results, per_query or {})
    return RunRecord(**made)


def evaluations(
    dataset: DatasetFacts,
    results: Mapping[str, Any],
    per_query: Mapping[str, ScoredQueries] | None = None,
) -> tuple[Evaluated, ...]:
    """A run's evaluations on its own data, by network."""
    return tuple(
        Evaluated(
            network=name,
            data=own_data(dataset, 0, result),
            settings=settings_used(EvalConfig(), dataset.task),
            result=result,
            per_query=(per_query or {}).get(name),
        )
        for name, result in results.items()
    )


def features_record(name: str = "theirs", rank1: float = 0.6, **fields: Any) -> FeaturesRecord:
    """The record of features from elsewhere; ``labels`` says who is in them."""
    labels = fields.pop("labels", "f" * 32)
    counts = {"query": 3_368, "gallery": 19_732, "boxes": 25_259}
    settings = settings_used(EvalConfig(**fields.pop("settings", {})), features=True)
    dataset = DatasetFacts(name=f"features-{labels[:8]}", labels=labels, **counts)
    evaluated = Evaluated(
        network=name,
        data=EvaluationData(name=dataset.name, labels=labels, features="a" * 32, **counts),
        settings=settings,
        result=evaluation(rank1, rank1 / 2),
        per_query=per_query(),
    )
    made: dict[str, Any] = {
        "name": name,
        "created": FIRST_OF_MAY,
        "experiment": "e" * 32,
        "dataset": dataset,
        "evaluations": (evaluated,),
        "versions": VERSIONS,
        "device": Device(name="AMD EPYC", precision="fp32", threads=2),
        "config": {"eval": settings},
    }
    return FeaturesRecord(**{**made, **fields})


def per_query() -> ScoredQueries:
    """Three scored queries and one without a match."""
    single = QueryScores(
        ap=(1.0, 1 / 3, None, 0.1 + 0.2),
        ap_trapezoid=(1.0, 0.25, None, 0.2),
        first_rank=(1, 3, None, 2),
    )
    return ScoredQueries(single_query=single)
