"""One run, from a configuration to its record: data, model, the method's program, evaluation."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reid_srdl.config import AnyConfig, fingerprint
from reid_srdl.data.scratch import scratch_cache
from reid_srdl.errors import UserError
from reid_srdl.jobs.planning import RunPlan, measured_seconds, plan_run
from reid_srdl.jobs.rehearsal import rehearse, run_program
from reid_srdl.jobs.summary import known_before, summarise
from reid_srdl.methods import OPTIONS, own
from reid_srdl.models.build import check_network, find_imagenet_weights
from reid_srdl.models.weights import save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record, write_record
from reid_srdl.tasks import open_task
from reid_srdl.tasks.task import Judged, Task
from reid_srdl.training.metrics_log import MetricsLog
from reid_srdl.training.monitor import EpochRow, Monitor, Monitors, Progress
from reid_srdl.training.phases import Phase
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model


class Listener(Monitor, Protocol):
    """A monitor that is told of the plan and of the work around the training, too."""

    def planned(self, phases: Sequence[Phase]) -> None:
        """These phases will be gone through, with their work."""

    def steps(self, what: str, done: int, total: int) -> None:
        """Some of ``total`` pieces of ``what`` are done."""


class Silence:
    """A listener that shows nothing."""

    def planned(self, phases: Sequence[Phase]) -> None: ...
    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None: ...
    def progressed(self, progress: Progress) -> None: ...
    def epoch_finished(self, row: EpochRow) -> None: ...
    def warned(self, line: str) -> None: ...
    def steps(self, what: str, done: int, total: int) -> None: ...


def train(config: AnyConfig, listener: Listener | None = None) -> RunRecord:
    """Trains, evaluates and records one run; a run that was stopped goes on where it was.

    Args:
        config: the experiment; ``auto`` values are resolved here and kept in the run's folder.
        listener: told of the progress.

    Returns:
        The run's record, read back where the run was finished already.

    Raises:
        UserError: data that cannot be read, a folder of another run, a run that another process
            is writing to, a phase that asks for what it cannot have, a loss that is not finite.
    """
    listener = listener or Silence()
    compute = _choose(config)
    config = resolve_run(config, compute)
    folder = run_folder(config)
    folder.check_same(config, OPTIONS)
    if (record := _finished(folder, config)) is not None:
        return record

    opened = _open(config, compute, listener)
    listener.planned(opened.plan.phases)
    with folder.locked(), compute.activated():
        folder.check_same(config, OPTIONS)  # again: another process may have been here meanwhile
        if (record := _finished(folder, config)) is not None:
            return record
        folder.write_config(config)
        trainer = _trainer(config, opened, compute, folder, listener)
        models = run_program(config, trainer, config.train.epochs)
        for name, model in models.items():
            save_network(folder.weights(name), model.network)
        record = summarise(
            config,
            opened.plan,
            compute=compute,
            judged=_judged(opened.task, trainer, models, config),
            facts=opened.task.facts,
            phases=trainer.phases,
            created=datetime.datetime.now(datetime.UTC),
        )
        write_record(folder.path, record)
    return record


def resume(path: Path, listener: Listener | None = None, *, device: str | None = None) -> RunRecord:
    """Goes on with the run in a folder, by the configuration that it keeps.

    Args:
        path: the run's folder.
        listener: told of the progress.
        device: another device than the run began on.

    Raises:
        UserError: the folder holds no run; and what ``train`` raises.
    """
    config = RunFolder(path).read_config(OPTIONS)
    path = path.resolve()
    place = config.run.model_copy(update={"dir": path.parent, "name": path.name})
    where = config.train.model_copy(update={"device": device or config.train.device})
    return train(config.model_copy(update={"run": place, "train": where}), listener)


def plan(config: AnyConfig, listener: Listener | None = None) -> dict[str, Any]:
    """Returns what ``train`` would do, as plain values under the record's names; writes nothing.

    The time is an estimate, from a few steps of each phase.

    Raises:
        UserError: what ``train`` would refuse before its first step.
    """
    compute = _choose(config)
    config = resolve_run(config, compute)
    run_folder(config).check_same(config, OPTIONS)
    with compute.activated():
        opened = _open(config, compute, listener or Silence(), writes=False)
        known = known_before(config, opened.plan, opened.task.facts)
        seconds = measured_seconds(opened.plan, opened.task.training_set, compute)
    tree: dict[str, Any] = {key: _plain(value) for key, value in known.items()}
    for phase in tree["phases"]:
        del phase["seconds"]
        for network in phase["networks"].values():
            del network["loss"], network["accuracy"]
    tree["networks"] = [*opened.plan.returned, *config.eval.ensembles]
    tree["timing"] = {"seconds": seconds}
    return tree


def resolve_run(config: AnyConfig, compute: Compute) -> AnyConfig:
    """Returns the configuration with every ``auto`` and the run's name filled in."""
    machine = {
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": compute.threads,
    }
    directory = config.data.dir.resolve() if config.data.dir else None
    config = config.model_copy(
        update={
            "train": config.train.model_copy(update=machine),
            "data": config.data.model_copy(update={"dir": directory}),
        }
    )
    name = config.run.name or "-".join(
        (
            config.data.name,
            config.model.name.replace(":", "-"),
            own.short(config.method.name).replace(":", "-"),
            f"seed{config.train.seed}",
            fingerprint(config)[:6],
        )
    )
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def run_folder(config: AnyConfig) -> RunFolder:
    """Returns the folder of a resolved configuration's run."""
    assert config.run.name is not None
    return RunFolder(config.run.dir / config.run.name)


@dataclass(frozen=True)
class _Opened:
    """A run's data and plan, and the file of its first weights."""

    task: Task
    plan: RunPlan
    weights: Path | None


def _open(
    config: AnyConfig, compute: Compute, listener: Listener, *, writes: bool = True
) -> _Opened:
    """Checks what can be known before anything is trained, cheap things first."""
    _check_source(config)
    size = (config.data.height, config.data.width)
    check_network(config.model.name, config.model.init, size)
    for name in {s.name for phase in rehearse(config).phases for s in phase.specs.values()}:
        check_network(name, size=size)
    weights = None
    if config.model.init == "imagenet":
        weights = find_imagenet_weights(config.model.name, config.model.weights)
    with contextlib.nullcontext() if writes else scratch_cache():
        task = open_task(config, compute, listener.steps)
        return _Opened(task, plan_run(config, task, weights), weights)


def _check_source(config: AnyConfig) -> None:
    name, digest = config.method.name, config.method.digest
    if own.is_own(name) and own.digest_of(name) != digest:
        raise UserError(
            f"--method {own.short(name)}: the file has changed since the run began",
            "restore it, or train under another --name",
        )


def _choose(config: AnyConfig) -> Compute:
    train = config.train
    return choose(train.device, train.precision, train.threads, compile=train.compile)


def _trainer(
    config: AnyConfig, opened: _Opened, compute: Compute, folder: RunFolder, listener: Listener
) -> Trainer:
    return Trainer(
        opened.plan.setting,
        training_set=opened.task.training_set,
        compute=compute,
        folder=folder.phases,
        monitor=Monitors(MetricsLog(folder.metrics), listener),
        weights=opened.weights,
        extract_batch=config.eval.batch_size,
        checkpoint_seconds=60 * config.train.checkpoint_minutes,
    )


def _judged(
    task: Task, trainer: Trainer, models: Mapping[str, Model], config: AnyConfig
) -> dict[str, Judged | None]:
    """Evaluates what the method returned, and the ensembles that the configuration asks for."""
    if not config.eval.enabled:
        return dict.fromkeys((*models, *config.eval.ensembles))
    ensembles = {
        ensemble: [
            models[name] if name in models else trainer.fitted(name) for name in ensemble.split("+")
        ]
        for ensemble in config.eval.ensembles
    }
    return dict(task.judge(models, ensembles))


def _finished(folder: RunFolder, config: AnyConfig) -> RunRecord | None:
    """Returns the run's record, if it holds all that the configuration asks for."""
    if not folder.record.exists():
        return None
    record = read_record(folder.path)
    return record if not config.eval.enabled or all(record.results.values()) else None


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
