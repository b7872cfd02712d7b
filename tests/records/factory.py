"""Records made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reid_srdl.config import Config, MethodOptions, fingerprint, merge
from reid_srdl.records.labels import method_label
from reid_srdl.records.run import (
    Cost,
    DatasetFacts,
    Device,
    MethodFacts,
    PerQuery,
    Phase,
    QueryScores,
    RunRecord,
    Versions,
)
from reid_srdl.retrieval.result import Evaluation, Scores

FIRST_OF_MAY = datetime(2025, 5, 1, tzinfo=UTC)
DATASET = DatasetFacts(
    name="market1501", images=12_936, identities=751, query=3_368, gallery=19_732, boxes=25_259
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
    **fields: Any,
) -> RunRecord:
    """A record; ``config`` is laid over the defaults, ``rank1=None`` leaves evaluation out."""
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
            Phase(name="one", kind="fit", epochs=60, seconds=6, loss={"ce": 0.1}, accuracy=0.9),
            Phase(name="knowledge", kind="extract", epochs=1, seconds=0.5),
        ),
        "results": {"final": result},
        "versions": Versions(
            python="3.11.7",
            torch="2.15.0",
            torchvision=None,
            numpy="2.4.6",
            faiss="1.15.1",
            reid_srdl="0.1.0",
        ),
        "device": Device(name="AMD EPYC", precision=precision, threads=2),
        "config": plain,
    }
    return RunRecord(**{**made, **fields})


def per_query() -> PerQuery:
    """Three scored queries and one without a match."""
    single = QueryScores(
        ap=(1.0, 1 / 3, None, 0.1 + 0.2),
        ap_trapezoid=(1.0, 0.25, None, 0.2),
        first_rank=(1, 3, None, 2),
    )
    return PerQuery(single_query=single)
