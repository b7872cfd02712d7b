"""What a run will do, once its data is open: phases with their keys, cost, and the time they take.

A plan and the record of the run after it are made by the same functions (`jobs.summary`), so they
cannot disagree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from reid_srdl.config import AnyConfig, DataConfig, MethodOptions
from reid_srdl.config.start import Start
from reid_srdl.data.batches import TrainingSet
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.jobs.budget import budgeted, check_steps
from reid_srdl.jobs.rehearsal import ensembles_of, run_program, setting_of, told_as_own
from reid_srdl.jobs.starting import origin_of
from reid_srdl.models.build import build
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.tasks.task import Task
from reid_srdl.training.graphs import WARM
from reid_srdl.training.losses import knowledge_in
from reid_srdl.training.parts import optimizers_of, parts_of
from reid_srdl.training.phases import Extract, Fit, Phase
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import Compute
from reid_srdl.training.setting import DataFacts, Setting
from reid_srdl.training.step import Step
from reid_srdl.training.teacher import Teacher
from reid_srdl.training.values import Model

_STEPS = 3  # that are timed, after one that is not


@dataclass(frozen=True)
class RunPlan:
    """What a program will do.

    Attributes:
        setting: what all phases share.
        returned: the models that it returns, by name, the result first, each followed by its other
            weights that are kept; they hold no network.
        phases: its phases, in order.
        teachers: finished runs that it learns from.
        ensembles: that are judged.
    """

    setting: Setting
    returned: Mapping[str, Model]
    phases: tuple[Phase, ...]
    teachers: tuple[Teacher, ...]
    ensembles: tuple[str, ...]


def plan_run(
    config: AnyConfig,
    task: Task,
    weights: Path | None,
    made: Callable[[Setting], Planner] = Planner,
) -> RunPlan:
    """Plans a run and counts its work, so that what a phase cannot give is an error here.

    Args:
        config: the resolved experiment.
        task: its data, opened.
        weights: file of the network's first weights; None: random ones.
        made: makes the planner.

    Raises:
        UserError: a teacher that cannot teach, or a loss that asks for what its phase cannot give.
    """
    origin = origin_of(config.data.name, config.model, config.run)
    setting = setting_of(
        config,
        _facts(config.data, task),
        file_digest(weights) if weights else "random",
        content=task.facts.content.train if task.facts.content is not None else "",
        origin=f"from {origin[0].digest}" if origin else "",
    )
    epochs = config.train.epochs
    planner, returned = _planned(config.method, epochs, made(setting))
    if origin is not None:
        _check_origin(*origin, planner)
    if config.train.budget != "own":
        setting = budgeted(config.method.name, epochs, setting, planner.phases)
        planner, returned = _planned(config.method, epochs, made(setting))
    check_steps(planner.phases)
    return RunPlan(
        setting,
        returned,
        tuple(planner.phases),
        tuple(planner.teachers.values()),
        ensembles_of(config.eval, planner),
    )


def _planned(
    method: MethodOptions, epochs: int, planner: Planner
) -> tuple[Planner, dict[str, Model]]:
    """Runs the program against a planner, and counts the work of each phase."""
    returned = run_program(method, planner, epochs)
    with told_as_own(method.name):  # its losses are called
        for phase in planner.phases:
            _ = phase.work
    return planner, returned


def _check_origin(start: Start, spec: NetworkSpec, planner: Planner) -> None:
    own = planner.setting.network
    if spec != own:
        raise UserError(
            f"model.start: {start.label} is a {_told(spec)}, this run's network a {_told(own)}",
            "start from a checkpoint of the same network, classes and size",
            usage=True,
        )
    if not planner.started:
        raise UserError(
            f"model.start: nothing of this method starts from {start.label}",
            "leave it out, or take a method that trains the run's own network",
            usage=True,
        )


def _told(spec: NetworkSpec) -> str:
    size = " x ".join(map(str, spec.size or ()))
    return f"{spec.name} for {spec.classes:,} classes and images of {size}"


def measured_seconds(plan: RunPlan, images: TrainingSet, compute: Compute) -> dict[str, float]:
    """Returns about how long each phase of a plan takes here, from a few steps of it.

    Args:
        plan: the run's plan.
        images: its training set.
        compute: where it will run.
    """
    known: dict[tuple[object, ...], float] = {}
    seconds = {}
    for phase in plan.phases:
        work = phase.step_work
        alike = (phase.kind, tuple(phase.specs.values()), work.forward, work.backward)
        if alike not in known:
            known[alike] = _seconds_of_step(phase, plan.setting, images, compute)
        seconds[phase.name] = known[alike] * phase.all_steps
    return seconds


def _facts(data: DataConfig, task: Task) -> DataFacts:
    images = task.training_set
    counts = images.counts(len(task.classes))
    return DataFacts(
        data.name,
        images.key,
        task.classes,
        counts,
        (data.height, data.width),
        images.pad,
        images.flip,
        data.validation,
        images.augmentation,
    )


def _seconds_of_step(
    phase: Phase, setting: Setting, images: TrainingSet, compute: Compute
) -> float:
    """Times steps on the phase's real networks and batches; nothing of them is kept."""
    asked, device = phase.asked, compute.device
    view = next(iter(phase.models.values())).view
    if view is not None:
        images = images.of_classes([setting.data.classes.index(name) for name in view.classes])
    if isinstance(asked, Extract):
        network = _built(asked.model).to(device).eval()
        clean = next(iter(images.clean(setting.optimisation.batch_size)))
        with torch.inference_mode(), compute.autocast():
            return timed(lambda: network(clean), device) * asked.passes / len(clean)
    warm = WARM + 1 if compute.graph else 1  # the recording of a graph is no step's time
    return timed(stepping(asked, phase.name, setting, images, compute), device, warm=warm)


def stepping(
    fit: Fit, phase: str, setting: Setting, images: TrainingSet, compute: Compute
) -> Callable[[], object]:
    """Returns what does one step of a phase at each call; nothing of it is kept."""
    parts = parts_of(fit, _built, compute.device)
    optimisation = setting.optimisation
    optimizers, clip = optimizers_of(parts, optimisation), optimisation.clip
    step = Step(fit, parts, compute, optimizers, clip, optimisation.max_norm)
    batches = images.epoch(
        setting.optimisation.batch_size,
        setting.seed,
        phase,
        0,
        draws=parts_classes(fit) if "draws" in fit.needs else 0,
        sampler=setting.sampler,
    )
    batch = next(iter(batches))
    logits = torch.zeros(len(batch.labels), parts_classes(fit), device=compute.device)
    for key in {key for loss in fit.losses.values() for key in knowledge_in(loss)}:
        batch = batch.with_known(key, logits)
    return lambda: (next(batches, None), step(batch, 0.0))


def parts_classes(fit: Fit) -> int:
    """Returns C of a phase's networks."""
    return next(iter(fit.models.values())).spec.classes


def _built(model: Model) -> Network:
    return build(model.spec, seed=0).to(memory_format=torch.channels_last)


def timed(
    do: Callable[[], object], device: torch.device, least: float = 0.0, warm: int = 1
) -> float:
    """Returns the seconds of a call, averaged over a few that take ``least`` seconds together.

    ``warm`` calls before them are not counted.
    """
    for _ in range(warm):
        do()
    _wait(device)
    began, done = time.perf_counter(), 0
    while done < _STEPS or time.perf_counter() - began < least:
        do()
        done += 1
    _wait(device)
    return (time.perf_counter() - began) / done


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
