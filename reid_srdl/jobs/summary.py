"""A plan as what can be told before a run, and the finished run as its record."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from reid_srdl.analysis.cost import TRCOST_UNIT, count_parameters, multiply_accumulates
from reid_srdl.config import PATHS, AnyConfig, DataConfig, EvalConfig
from reid_srdl.config.start import parse_start
from reid_srdl.jobs.identity import experiment_of, with_teachers
from reid_srdl.jobs.planning import RunPlan
from reid_srdl.machine import versions
from reid_srdl.methods import OPTIONS, own
from reid_srdl.models.branch import Branch
from reid_srdl.models.build import build
from reid_srdl.models.changes import Branches
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.cost import NO_WORK, BranchFacts, NetworkFacts, Timing, Work
from reid_srdl.records.cost import Phase as PhaseFacts
from reid_srdl.records.evaluated import Evaluated, own_data, settings_used
from reid_srdl.records.naming import method_label
from reid_srdl.records.run import DatasetFacts, Device, MethodFacts, RunRecord, Versions
from reid_srdl.tasks.data import settings_on
from reid_srdl.tasks.task import Judged
from reid_srdl.training.monitor import best_epoch
from reid_srdl.training.phases import MacCount, Phase
from reid_srdl.training.precision import Compute


def summarise(
    config: AnyConfig,
    plan: RunPlan,
    *,
    compute: Compute,
    judged: Mapping[str, Judged | None],
    facts: DatasetFacts,
    phases: Iterable[Phase],
    created: datetime.datetime,
    taken: Mapping[str, str],
) -> RunRecord:
    """Gathers what a run's tables and figures need.

    Args:
        config: the resolved configuration.
        plan: what was planned; it says all that is known before.
        compute: where it ran.
        judged: evaluations of networks and of ensembles, by name, the result first; None where
            left out.
        facts: the data set.
        phases: the run's phases, in order, all finished.
        created: now, with its time zone.
        taken: of each phase that another run did, by its name, which.
    """
    phases = tuple(phases)
    rows = [row for phase in phases for row in phase.rows]
    known = known_before(config, plan, facts)
    fitted = sum(row.seconds for row in rows)
    known["cost"] |= {
        "seconds": sum(phase.seconds for phase in phases),
        "images_per_second": sum(row.images for row in rows) / fitted,
    }
    known["phases"] = [_phase_facts(phase) for phase in phases]
    known["norm_parts"] = sorted(set().union(*(phase.norm_parts for phase in phases)))
    processes = sorted(set().union(*(phase.processes for phase in phases)))
    return RunRecord(
        **known,
        created=created,
        timing=Timing(taken=dict(taken), processes=tuple(processes)),
        evaluations=tuple(
            one
            for name, done in judged.items()
            for one in _evaluated(config.data, config.eval, facts, name, done)
        ),
        versions=Versions.model_validate(versions()),
        device=Device(
            name=compute.device_name,
            precision="bf16" if compute.precision == "bf16" else "fp32",
            threads=compute.threads,
        ),
    )


def known_before(config: AnyConfig, plan: RunPlan, facts: DatasetFacts) -> dict[str, Any]:
    """Returns what a record will hold, as far as it is known before the first step."""
    assert config.run.name is not None
    teachers = plan.teachers
    shown = with_teachers(config, [teacher.spec.name for teacher in teachers])
    name = own.short(config.method.name)
    return {
        "name": config.run.name,
        "experiment": experiment_of(config, [teacher.experiment for teacher in teachers]),
        "dataset": facts,
        "method": MethodFacts(name=name, label=_label(name, shown)),
        "model": config.model.name,
        "seed": config.train.seed,
        "epochs": config.train.epochs,
        "parameters": _parameters(plan),
        "work": _work(sum(map(_whole, plan.phases), MacCount(0, 0))),
        "cost": _cost(plan),
        "phases": [_phase_facts(phase) for phase in plan.phases],
        "config": _without_paths(with_teachers(config, [teacher.run for teacher in teachers])),
    }


def _label(name: str, config: AnyConfig) -> str:
    defaults = OPTIONS[config.method.name].model_construct().model_dump(mode="json")
    options = config.method.model_dump(mode="json", exclude={"digest"})
    label = method_label(name, options, defaults)
    if config.recipe.name is not None:
        label = f"{label} with {config.recipe.name}"
    start = config.model.start
    return label if start is None else f"{label} from {parse_start(start).label}"


def _without_paths(config: AnyConfig) -> dict[str, Any]:
    """Returns the configuration as a tree; where things stood says nothing to a record's reader."""
    tree = config.model_dump(mode="json", by_alias=True)
    tree["method"]["name"] = own.short(config.method.name)
    if config.model.start is not None:
        start = parse_start(config.model.start)
        tree["model"]["start"] = str(replace(start, run=Path(start.run).name))
    for path in PATHS:
        section, key = path.split(".")
        del tree[section][key]
    return tree


def _parameters(plan: RunPlan) -> int:
    with torch.device("meta"):
        return count_parameters(build(next(iter(plan.returned.values())).spec, seed=0))


def _cost(plan: RunPlan) -> dict[str, Any]:
    """Returns the cost but for what the clock says; TrCost as in `analysis.cost.trcost`."""
    fits = [phase for phase in plan.phases if phase.kind == "fit"]
    passes = [phase for phase in plan.phases if phase.kind == "extract"]
    teachers = sum(teacher.trcost for teacher in plan.teachers)
    forward = sum(phase.forward_of_images for phase in plan.phases)
    result = next(iter(plan.returned.values()))
    network = build(result.spec, seed=0)
    return {
        "macs": multiply_accumulates(network, *plan.setting.data.size, network.channels),
        "epochs": sum(phase.epochs for phase in fits),
        "images": sum(plan.setting.data.counts),
        "share": plan.setting.share,
        "extraction_passes": sum(phase.epochs for phase in passes),
        "trcost": forward / TRCOST_UNIT + teachers,
        "teachers": teachers,
        "teachers_work": sum((teacher.work for teacher in plan.teachers), NO_WORK),
    }


def _whole(phase: Phase) -> MacCount:
    return phase.work


def _work(work: MacCount) -> Work:
    return Work.of(work.forward, work.backward)


def _phase_facts(phase: Phase) -> PhaseFacts:
    last = phase.rows[-1].networks if phase.rows else {}
    networks = {
        name: NetworkFacts(
            model=spec.name,
            loss=last[name].terms if name in last else {},
            accuracy=last[name].accuracy if name in last else None,
            ce=last[name].ce if name in last else None,
            marks=last[name].marks if name in last else (),
            validation=last[name].validation if name in last else None,
            branches=_branches(spec),
            best=best_epoch(phase.rows, name) if "best" in phase.keeps else None,
        )
        for name, spec in phase.specs.items()
    }
    return PhaseFacts(
        name=phase.name,
        kind=phase.kind,
        key=phase.key,
        epochs=phase.epochs,
        networks=networks,
        work=_work(phase.work),
        seconds=phase.seconds,
    )


def _branches(spec: NetworkSpec) -> dict[str, BranchFacts]:
    """Returns a network's branches, of which none is left where one is cut out."""
    if not any(isinstance(change, Branches) for change in spec.changes):
        return {}
    with torch.device("meta"):
        network = build(spec, seed=0)
    return {
        name: BranchFacts(layers=branch.told, parameters=count_parameters(branch))
        for name, branch in network.branches.items()
        if isinstance(branch, Branch)
    }


def _evaluated(
    data: DataConfig, how: EvalConfig, facts: DatasetFacts, name: str, done: Judged | None
) -> Iterator[Evaluated]:
    """Yields what a network came to on its data set; on a joint one, on each set of it."""
    sets = facts.parts or (facts,)
    results = (None,) * len(sets) if done is None else (done, *done.further)
    for part, one in zip(sets, results, strict=True):
        result = one.result if one else None
        yield Evaluated(
            network=name,
            data=own_data(part, data.split, result),
            settings=settings_used(settings_on(data, how, part.name), part.task),
            result=result,
            per_query=one.per_query if one else None,
        )
