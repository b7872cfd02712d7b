"""What a run is before its first step: its settings, its data by content, its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reid_srdl.config import AnyConfig, RunConfig, fingerprint
from reid_srdl.data.augment import check_pad
from reid_srdl.group.processes import Group
from reid_srdl.jobs.before import check_evaluable, check_networks
from reid_srdl.jobs.computing import check_products
from reid_srdl.jobs.first_weights import told_of_others, told_of_weights
from reid_srdl.jobs.identity import check_source, named_teachers, trained_on
from reid_srdl.jobs.listener import Listener
from reid_srdl.jobs.planning import RunPlan, plan_run
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.jobs.threads import fastest_threads
from reid_srdl.methods import OPTIONS, own
from reid_srdl.models.build import (
    check_network,
    check_weights,
    find_imagenet_weights,
    find_weights,
)
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.trained_on import TrainedOn
from reid_srdl.tasks import open_task
from reid_srdl.tasks.data import TaskData, read_data
from reid_srdl.tasks.task import Task
from reid_srdl.training.precision import Compute


def as_begun(config: AnyConfig) -> AnyConfig:
    """Returns the configuration with the precision that its run has already, if nobody names one.

    On a cluster of several kinds of GPU ``auto`` may come to another one where the run goes on.
    """
    if config.train.precision != "auto" or config.run.name is None:
        return config
    folder = run_folder(config.run)
    if not folder.config.is_file():
        return config
    kept = {"precision": folder.read_config(OPTIONS).train.precision}
    return config.model_copy(update={"train": config.train.model_copy(update=kept)})


def resolve_run(config: AnyConfig, compute: Compute | None) -> AnyConfig:
    """Returns the configuration with every ``auto`` and the run's name filled in.

    Args:
        config: as asked for.
        compute: where and how it computes; None: another machine decides, and ``auto`` stays.
    """
    machine: dict[str, Any] = {}
    if compute is not None:
        machine |= {"device": str(compute.device), "precision": compute.precision}
        machine["threads"] = compute.threads
    directories = {
        "dir": config.data.dir.resolve() if config.data.dir else None,
        "dirs": tuple(place.resolve() for place in config.data.dirs),
    }
    config = config.model_copy(
        update={
            "train": config.train.model_copy(update=machine),
            "data": config.data.model_copy(update=directories),
            "run": config.run.model_copy(
                update={"shared": config.run.shared.resolve() if config.run.shared else None}
            ),
        }
    )
    name = config.run.name or "-".join(
        (
            config.data.name.replace("+", "-"),
            config.model.name.replace(":", "-"),
            own.short(config.method.name).replace(":", "-"),
            f"seed{config.train.seed}",
            fingerprint(config)[:6],
        )
    )
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def on_threads(config: AnyConfig, compute: Compute, threads: int) -> tuple[AnyConfig, Compute]:
    """Returns a configuration, and where it computes, with another number of threads."""
    train = config.train.model_copy(update={"threads": threads})
    return config.model_copy(update={"train": train}), replace(compute, threads=threads)


def run_folder(run: RunConfig) -> RunFolder:
    """Returns the folder of a run whose configuration is resolved."""
    assert run.name is not None
    return RunFolder(run.dir / run.name)


@dataclass(frozen=True)
class Known:
    """What a run is trained on, before any of it is decoded.

    Attributes:
        found: the data set.
        weights: the file of the network's first weights; None: they are random.
        trained_on: all of it, by content.
    """

    found: TaskData
    weights: Path | None
    trained_on: TrainedOn


def identify(config: AnyConfig, listener: Listener) -> Known:
    """Reads what a run would be trained on, cheap things first."""
    check_source(config.method)
    size = (config.data.height, config.data.width)
    check_pad(*size, config.data.pad)
    check_network(config.model.name, config.model.init, size)
    phases = rehearse(config).phases
    check_networks(config, {spec for phase in phases for spec in phase.specs.values()})
    for line in told_of_others(phases, config.model):
        listener.noted(line)
    weights = None
    if config.model.init == "imagenet":
        weights = find_imagenet_weights(config.model.name, config.model.weights)
    elif config.model.weights is not None:
        weights = find_weights(config.model.weights)
        for line in told_of_weights(weights, config.model, config.data.name):
            listener.noted(line)
    if weights is not None:
        changes, width = changes_of(config.model), config.model.width
        check_weights(NetworkSpec(config.model.name, 2, size, 3, changes, width), weights)
    found = read_data(config.data, config.eval, listener.steps)
    for note in found.data.notes:
        listener.noted(note.line)
    teachers = named_teachers(config, found)
    return Known(found, weights, trained_on(config, found, weights, teachers))


@dataclass(frozen=True)
class Opened:
    """A run's data and plan, and the file of its first weights."""

    task: Task
    plan: RunPlan
    weights: Path | None


def open_run(
    config: AnyConfig,
    compute: Compute,
    known: Known,
    listener: Listener,
    group: Group | None = None,
) -> Opened:
    """Opens the data and plans the run; what could not be judged later is refused here."""
    check_evaluable(config, known.found.data, listener.steps)
    task = open_task(config, compute, listener.steps, known.found, group=group)
    plan = plan_run(config, task, known.weights)
    check_products(plan.phases, config.optim.batch_size, compute)
    return Opened(task, plan, known.weights)


def with_fastest_threads(
    config: AnyConfig, compute: Compute, known: Known, opened: Opened, listener: Listener
) -> tuple[AnyConfig, Compute, Opened]:
    """Lets a new run take the threads that are fastest here and now, and says so."""
    cores = compute.threads
    threads = fastest_threads(opened.plan, opened.task.training_set, compute)
    if threads == cores:
        return config, compute, opened
    config, compute = on_threads(config, compute, threads)
    listener.noted(f"train.threads: {threads} of {cores} are fastest: others use this machine, too")
    return config, compute, open_run(config, compute, known, listener)
