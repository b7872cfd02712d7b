"""A finished run as its record."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from reid_srdl.analysis.cost import count_parameters, multiply_accumulates, trcost
from reid_srdl.config import PATHS, AnyConfig, fingerprint
from reid_srdl.machine import versions
from reid_srdl.methods import OPTIONS
from reid_srdl.models.network import Network
from reid_srdl.records.labels import method_label
from reid_srdl.records.run import (
    Cost,
    DatasetFacts,
    Device,
    MethodFacts,
    RunRecord,
    Versions,
)
from reid_srdl.records.run import Phase as PhaseFacts
from reid_srdl.tasks.task import Judged
from reid_srdl.training.phases import Phase
from reid_srdl.training.precision import Compute
from reid_srdl.training.teacher import Teacher

# What the record holds elsewhere, or what changes no number of the run's result.
_NOT_THE_EXPERIMENT = ("train.seed", "train.precision", "eval.ensembles")


def summarise(
    config: AnyConfig,
    *,
    compute: Compute,
    networks: Mapping[str, Network],
    judged: Mapping[str, Judged | None],
    facts: DatasetFacts,
    phases: Iterable[Phase],
    teachers: Iterable[Teacher],
    created: datetime.datetime,
) -> RunRecord:
    """Gathers what a run's tables and figures need.

    Args:
        config: the resolved configuration.
        compute: where it ran.
        networks: what the method returned, by name, the run's result first.
        judged: evaluations of these and of ensembles, by name; None where left out.
        facts: the data set.
        phases: the run's phases, in order, all finished.
        teachers: the finished runs that served as teachers.
        created: now, with its time zone.
    """
    assert config.run.name is not None
    network = next(iter(networks.values()))
    phases, teachers = tuple(phases), tuple(teachers)
    told = _with_teacher(config, " + ".join(teacher.name for teacher in teachers))
    taught = _with_teacher(config, " + ".join(teacher.experiment for teacher in teachers))
    defaults = OPTIONS[config.method.name].model_construct().model_dump(mode="json")
    return RunRecord(
        name=config.run.name,
        created=created,
        experiment=fingerprint(taught, without=_NOT_THE_EXPERIMENT),
        dataset=facts,
        method=MethodFacts(
            name=config.method.name,
            label=method_label(config.method.name, told.method.model_dump(mode="json"), defaults),
        ),
        model=config.model.name,
        seed=config.train.seed,
        epochs=config.train.epochs,
        parameters=count_parameters(network),
        cost=_cost(config, network, facts.images, phases, teachers),
        phases=tuple(_phase_facts(phase) for phase in phases),
        results={name: done.result if done else None for name, done in judged.items()},
        versions=Versions.model_validate(versions()),
        device=Device(
            name=compute.device_name,
            precision="bf16" if compute.precision == "bf16" else "fp32",
            threads=compute.threads,
        ),
        config=_without_paths(_with_teacher(config, " + ".join(t.run for t in teachers))),
        per_query={
            name: done.per_query for name, done in judged.items() if done and done.per_query
        },
    )


def _with_teacher(config: AnyConfig, teacher: str) -> AnyConfig:
    """Returns the configuration with a finished teacher told otherwise than by its folder.

    In tables it is its network, in the experiment's fingerprint its own experiment: teachers that
    differ in nothing but the seed make one experiment.
    """
    if not teacher:
        return config
    method = config.method.model_copy(update={"teacher": teacher})
    return config.model_copy(update={"method": method})


def _without_paths(config: AnyConfig) -> dict[str, Any]:
    """Returns the configuration as a tree; where things stood says nothing to a record's reader."""
    tree = config.model_dump(mode="json")
    for path in PATHS:
        section, key = path.split(".")
        del tree[section][key]
    return tree


def _cost(
    config: AnyConfig,
    network: Network,
    images: int,
    phases: tuple[Phase, ...],
    teachers: tuple[Teacher, ...],
) -> Cost:
    fits = [phase for phase in phases if phase.kind == "fit"]
    rows = [row for phase in fits for row in phase.rows]
    finished = sum(teacher.trcost for teacher in teachers)
    own = sum(trcost(phase.macs, phase.epochs, images, phase.passes) for phase in phases)
    return Cost(
        macs=multiply_accumulates(network, config.data.height, config.data.width),
        epochs=sum(phase.epochs for phase in fits),
        images=images,
        extraction_passes=sum(phase.passes for phase in phases),
        trcost=own + finished,
        teachers=finished,
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
        network=phase.network,
        macs=phase.macs,
    )
