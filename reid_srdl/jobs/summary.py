"""A finished run as its record."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from reid_srdl.analysis.cost import count_parameters, multiply_accumulates, trcost
from reid_srdl.config import PATHS, AnyConfig, fingerprint
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.evaluation import Evaluated
from reid_srdl.machine import versions
from reid_srdl.methods import OPTIONS
from reid_srdl.models.network import Network
from reid_srdl.records.labels import method_label
from reid_srdl.records.run import (
    Cost,
    DatasetFacts,
    Device,
    MethodFacts,
    PerQuery,
    QueryScores,
    RunRecord,
    Versions,
)
from reid_srdl.records.run import Phase as PhaseFacts
from reid_srdl.retrieval.metrics import PerQuery as QueryResults
from reid_srdl.retrieval.ranks import UNRETRIEVED
from reid_srdl.training.phases import Phase
from reid_srdl.training.precision import Compute


def summarise(
    config: AnyConfig,
    *,
    compute: Compute,
    networks: Mapping[str, Network],
    results: Mapping[str, Evaluated | None],
    data: ReidData,
    training_images: int,
    phases: Iterable[Phase],
    created: datetime.datetime,
) -> RunRecord:
    """Gathers what a run's tables and figures need.

    Args:
        config: the resolved configuration.
        compute: where it ran.
        networks: what the method returned, by name, the run's result first.
        results: their evaluations, by the same names; None where left out.
        data: the data set.
        training_images: images that the run was trained on.
        phases: the run's phases, in order, all finished.
        created: now, with its time zone.
    """
    assert config.run.name is not None
    network = next(iter(networks.values()))
    phases = tuple(phases)
    method = config.method.model_dump(mode="json")
    defaults = OPTIONS[config.method.name]().model_dump(mode="json")
    return RunRecord(
        name=config.run.name,
        created=created,
        experiment=fingerprint(config, without=["train.seed", "train.precision"]),
        dataset=DatasetFacts(
            name=config.data.name,
            images=training_images,
            identities=network.classes,
            query=len(data.query),
            gallery=len(data.gallery),
            boxes=len(data.boxes) if data.boxes is not None else None,
        ),
        method=MethodFacts(
            name=config.method.name, label=method_label(config.method.name, method, defaults)
        ),
        model=config.model.name,
        seed=config.train.seed,
        epochs=config.train.epochs,
        parameters=count_parameters(network),
        cost=_cost(config, network, training_images, phases),
        phases=tuple(_phase_facts(phase) for phase in phases),
        results={name: done.evaluation if done else None for name, done in results.items()},
        versions=Versions.model_validate(versions()),
        device=Device(
            name=compute.device_name,
            precision="bf16" if compute.precision == "bf16" else "fp32",
            threads=compute.threads,
        ),
        config=_without_paths(config),
        per_query={
            name: PerQuery(
                single_query=_query_scores(done.single),
                multi_query=_query_scores(done.multi) if done.multi else None,
            )
            for name, done in results.items()
            if done is not None
        },
    )


def _without_paths(config: AnyConfig) -> dict[str, Any]:
    """Returns the configuration as a tree; where things stood says nothing to a record's reader."""
    tree = config.model_dump(mode="json")
    for path in PATHS:
        section, key = path.split(".")
        del tree[section][key]
    return tree


def _cost(config: AnyConfig, network: Network, images: int, phases: tuple[Phase, ...]) -> Cost:
    macs = multiply_accumulates(network, config.data.height, config.data.width)
    fits = [phase for phase in phases if phase.kind == "fit"]
    epochs = sum(phase.epochs for phase in fits)
    passes = sum(phase.passes for phase in phases)
    rows = [row for phase in fits for row in phase.rows]
    return Cost(
        macs=macs,
        epochs=epochs,
        images=images,
        extraction_passes=passes,
        trcost=trcost(macs, epochs, images, extraction_passes=passes),
        seconds=sum(phase.seconds for phase in phases),
        images_per_second=sum(row.images for row in rows) / sum(row.seconds for row in rows),
    )


def _phase_facts(phase: Phase) -> PhaseFacts:
    last = phase.rows[-1] if phase.rows else None
    return PhaseFacts(
        name=phase.name,
        kind="fit" if phase.kind == "fit" else "extract",
        epochs=phase.epochs or phase.passes,
        seconds=phase.seconds,
        loss=last.terms if last else {},
        accuracy=last.accuracy if last else None,
    )


def _query_scores(results: QueryResults) -> QueryScores:
    """Returns the arrays as plain numbers, None where a query is left out or has no match."""
    scored = results.scored.tolist()

    def plain(values: list[float]) -> tuple[float | None, ...]:
        return tuple(value if ok else None for value, ok in zip(values, scored, strict=True))

    return QueryScores(
        ap=plain(results.ap.tolist()),
        ap_trapezoid=plain(results.ap_trapezoid.tolist()),
        first_rank=tuple(
            None if rank in (0, UNRETRIEVED) else rank for rank in results.first_rank.tolist()
        ),
        inp=plain(results.inp.tolist()),
        pids=tuple(results.pids.tolist()),
        camids=tuple(results.camids.tolist()),
        names=results.names,
    )
