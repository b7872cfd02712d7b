"""One run, from a configuration to its record: data, model, the method's program, evaluation."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_srdl.config import AnyConfig, fingerprint
from reid_srdl.data import load_dataset
from reid_srdl.data.batches import Images, TrainingSet
from reid_srdl.data.cache import decoded
from reid_srdl.data.reid.crops import Crops, ReidData
from reid_srdl.data.reid.names import class_labels
from reid_srdl.errors import UserError
from reid_srdl.evaluation import Evaluated, evaluate_by
from reid_srdl.jobs.extract import extract_features
from reid_srdl.jobs.summary import summarise
from reid_srdl.methods import METHODS, OPTIONS
from reid_srdl.models.build import build_network, file_digest, find_imagenet_weights
from reid_srdl.models.network import Network
from reid_srdl.models.weights import save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import read_record, write_record
from reid_srdl.training.metrics_log import MetricsLog
from reid_srdl.training.monitor import EpochRow, Monitor, Monitors, Progress
from reid_srdl.training.phases import Phases
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.trainer import Optimisation, Trainer


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
    compute = choose(config.train.device, config.train.precision, config.train.threads)
    config = resolve_run(config, compute)
    folder = run_folder(config)
    folder.check_same(config, OPTIONS)
    if folder.record.exists() and _is_complete(record := read_record(folder.path), config):
        return record

    ready = _prepare(config, compute, listener)
    with folder.locked(), compute.activated():
        folder.write_config(config)
        phases = Phases(folder.phases)
        trainer = _trainer(config, ready, compute, phases, folder, listener)
        models = METHODS[config.method.name].program(trainer, config.train.epochs, config.method)
        networks: dict[str, Network] = {name: model.network for name, model in models.items()}
        for name, network in networks.items():
            save_network(folder.weights(name), network, config.model.name)
        results = {
            name: _evaluation(network, ready.data, config, compute, listener)
            for name, network in networks.items()
        }
        record = summarise(
            config,
            compute=compute,
            networks=networks,
            results=results,
            data=ready.data,
            training_images=len(ready.crops),
            phases=phases.opened,
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
        }
    )
    name = config.run.name or (
        f"{config.data.name}-{config.model.name}-{config.method.name}"
        f"-seed{config.train.seed}-{fingerprint(config)[:6]}"
    )
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def run_folder(config: AnyConfig) -> RunFolder:
    """Returns the folder of a resolved configuration's run."""
    assert config.run.name is not None
    return RunFolder(config.run.dir / config.run.name)


@dataclass(frozen=True)
class _Ready:
    """What a run needs besides its configuration, read before its folder is touched."""

    data: ReidData
    crops: Crops
    pixels: NDArray[np.uint8]
    imagenet_weights: Path | None


def _prepare(config: AnyConfig, compute: Compute, listener: Listener) -> _Ready:
    weights = None
    if config.model.init == "imagenet":
        weights = find_imagenet_weights(config.model.name, config.model.weights)
    data = load_dataset(config.data.name, config.data.dir)
    crops = _first_identities(data.train, config.data.identities)
    if len(crops) < config.optim.batch_size:
        raise UserError(
            f"optim.batch_size: {config.optim.batch_size} is more than the "
            f"{len(crops)} training images",
            "lower optim.batch_size",
        )
    pixels = decoded(
        data.train,
        fallback_size=(config.data.height, config.data.width),
        progress=lambda done, total: listener.steps("decoding train", done, total),
    )
    if len(crops) < len(data.train):
        pixels = pixels[np.isin(data.train.pids, np.unique(crops.pids))]
    return _Ready(data, crops, pixels, weights)


def _first_identities(train: Crops, wanted: int | None) -> Crops:
    """Returns the crops of the first ``wanted`` identities, by pid."""
    identities = np.unique(train.pids)
    if wanted is None:
        return train
    if wanted > len(identities):
        raise UserError(
            f"data.identities: {wanted} is more than the {len(identities)} of the training set",
            "lower data.identities, or leave it out for all",
        )
    return train.select(np.isin(train.pids, identities[:wanted]))


def _trainer(
    config: AnyConfig,
    ready: _Ready,
    compute: Compute,
    phases: Phases,
    folder: RunFolder,
    listener: Listener,
) -> Trainer:
    labels, identities = class_labels(ready.crops.pids)
    images = Images(ready.pixels, (config.data.height, config.data.width), compute.device)
    training_set = TrainingSet(images, labels, pad=config.data.pad, flip=config.data.flip)
    weights = ready.imagenet_weights
    digest = file_digest(weights) if weights else "random"
    optim = config.optim

    def make_network(seed: int) -> Network:
        return build_network(
            config.model.name, len(identities), seed=seed, imagenet_weights=weights
        )

    return Trainer(
        make_network=make_network,
        network_key=f"{config.model.name}:{len(identities)}:{digest}",
        training_set=training_set,
        optimisation=Optimisation(
            StepDecay(optim.lr, optim.milestones, optim.gamma),
            optim.momentum,
            optim.nesterov,
            optim.weight_decay,
            optim.batch_size,
        ),
        seed=config.train.seed,
        compute=compute,
        phases=phases,
        monitor=Monitors(MetricsLog(folder.metrics), listener),
        extract_batch=config.eval.batch_size,
    )


def _evaluation(
    network: Network, data: ReidData, config: AnyConfig, compute: Compute, listener: Listener
) -> Evaluated | None:
    settings = config.eval
    if not settings.enabled:
        return None
    features = extract_features(
        network,
        data,
        size=(config.data.height, config.data.width),
        compute=compute,
        batch_size=settings.batch_size,
        flip=settings.flip,
        steps=listener.steps,
    )
    return evaluate_by(
        features,
        settings,
        device=str(compute.device),
        progress=lambda done, total: listener.steps("ranking", done, total),
    )


def _is_complete(record: RunRecord, config: AnyConfig) -> bool:
    """Says whether a record holds all that the configuration asks for."""
    return not config.eval.enabled or all(record.results.values())
