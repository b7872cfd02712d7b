"""One run, from a configuration to its record: data, model, the method's program, evaluation."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from reid_srdl.config import AnyConfig, fingerprint
from reid_srdl.jobs.summary import summarise
from reid_srdl.methods import METHODS, OPTIONS
from reid_srdl.models.build import check_network, find_imagenet_weights
from reid_srdl.models.maker import NetworkMaker
from reid_srdl.models.network import Network
from reid_srdl.models.weights import save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record, write_record
from reid_srdl.tasks import open_task
from reid_srdl.tasks.task import Judged, Task
from reid_srdl.training.metrics_log import MetricsLog
from reid_srdl.training.monitor import EpochRow, Monitor, Monitors, Progress
from reid_srdl.training.phases import Phases
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.trainer import Model, Optimisation, Trainer


class Listener(Monitor, Protocol):
    """A monitor that is told of the work around the training, too."""

    def steps(self, what: str, done: int, total: int) -> None:
        """Some of ``total`` pieces of ``what`` are done."""


class Silence:
    """A listener that shows nothing."""

    def phase_opened(self, name: str, kind: str, rows: list[EpochRow]) -> None: ...
    def progressed(self, progress: Progress) -> None: ...
    def epoch_finished(self, row: EpochRow) -> None: ...
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
            is writing to, a loss that is not finite.
    """
    listener = listener or Silence()
    compute = _choose(config)
    config = resolve_run(config, compute)
    folder = run_folder(config)
    folder.check_same(config, OPTIONS)
    if folder.record.exists() and _is_complete(record := read_record(folder.path), config):
        return record

    check_network(config.model.name, config.model.init, _size(config))
    for name in config.method.other_models().values():
        check_network(name, size=_size(config))
    weights = None
    if config.model.init == "imagenet":
        weights = find_imagenet_weights(config.model.name, config.model.weights)
    task = open_task(config, compute, listener.steps)
    with folder.locked(), compute.activated():
        folder.write_config(config)
        maker = NetworkMaker(config.model.name, task.classes, weights, _size(config))
        trainer = _trainer(config, task, maker, compute, folder, listener)
        models = METHODS[config.method.name].program(trainer, config.train.epochs, config.method)
        for name, model in models.items():
            save_network(folder.weights(name), model.network, model.name)
        record = summarise(
            config,
            compute=compute,
            networks={name: model.network for name, model in models.items()},
            judged=_judged(task, trainer, models, config),
            facts=task.facts,
            phases=trainer.phases.opened,
            teachers=trainer.teachers.values(),
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
            "method": config.method.placed(),
        }
    )
    name = config.run.name or (
        f"{config.data.name}-{config.model.name.replace(':', '-')}-{config.method.name}"
        f"-seed{config.train.seed}-{fingerprint(config)[:6]}"
    )
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def run_folder(config: AnyConfig) -> RunFolder:
    """Returns the folder of a resolved configuration's run."""
    assert config.run.name is not None
    return RunFolder(config.run.dir / config.run.name)


def _choose(config: AnyConfig) -> Compute:
    train = config.train
    return choose(train.device, train.precision, train.threads, compile=train.compile)


def _size(config: AnyConfig) -> tuple[int, int]:
    return config.data.height, config.data.width


def _trainer(
    config: AnyConfig,
    task: Task,
    maker: NetworkMaker,
    compute: Compute,
    folder: RunFolder,
    listener: Listener,
) -> Trainer:
    optim = config.optim
    return Trainer(
        maker=maker,
        dataset=config.data.name,
        training_set=task.training_set,
        optimisation=Optimisation(
            StepDecay(optim.lr, optim.milestones, optim.gamma),
            optim.momentum,
            optim.nesterov,
            optim.weight_decay,
            optim.batch_size,
        ),
        seed=config.train.seed,
        compute=compute,
        phases=Phases(folder.phases),
        monitor=Monitors(MetricsLog(folder.metrics), listener),
        extract_batch=config.eval.batch_size,
    )


def _judged(
    task: Task, trainer: Trainer, models: Mapping[str, Model], config: AnyConfig
) -> dict[str, Judged | None]:
    """Evaluates what the method returned, and the ensembles that the configuration asks for."""
    if not config.eval.enabled:
        return dict.fromkeys((*models, *config.eval.ensembles))
    networks: dict[str, Network] = {name: model.network for name, model in models.items()}
    ensembles = {
        ensemble: [
            networks[name] if name in networks else trainer.fitted(name)
            for name in ensemble.split("+")
        ]
        for ensemble in config.eval.ensembles
    }
    return dict(task.judge(networks, ensembles))


def _is_complete(record: RunRecord, config: AnyConfig) -> bool:
    """Says whether a record holds all that the configuration asks for."""
    return not config.eval.enabled or all(record.results.values())
