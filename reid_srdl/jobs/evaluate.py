"""Evaluates the networks of a finished run, for re-id on its own data set or another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import AnyConfig, EvalConfig, changed
from reid_srdl.data import find_entry
from reid_srdl.evaluation import Progress, Scored, check_shared, evaluate_by
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.jobs.later import Tested, absolute, keep, kept_file
from reid_srdl.methods import OPTIONS
from reid_srdl.models.weights import load_network
from reid_srdl.records.evaluated import Evaluated, own_data, settings_used
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.queries import scored_queries
from reid_srdl.records.store import read_record
from reid_srdl.retrieval.feature_files import from_arrays, to_arrays
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.sharing.sharding import Alone, Group
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.tasks.task import Steps
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.values import Model

_DEVICE = "device"


def evaluate_run(
    run: Path,
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    split: int | None = None,
    distractors: Path | None = None,
    changes: dict[str, Any] | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    progress: Progress | None = None,
    group: Group | None = None,
) -> tuple[Features, Scored, Path]:
    """Extracts features with a run's network, evaluates them, and keeps the result in the run.

    Args:
        run: the run's folder.
        dataset: another data set than the run's own.
        data_dir: its folder.
        split: which division of it; by default the run's own, on another data set the first.
        distractors: a folder of images that join the gallery as nobody's.
        changes: keys of the ``eval`` section that differ from the run's own, and what their
            ``rules`` imply.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the extraction's progress.
        progress: told of the ranking's progress.
        group: the processes that share the ranking; process 0 extracts and records.

    Returns:
        The features, the evaluation, and the file under ``RUN/evaluations`` that records it; one
        of other data, places or settings stands beside it.

    Raises:
        UserError: no run folder, no weights in it, or data that cannot be read.
    """
    config = RunFolder(run).read_config(OPTIONS)
    tested = _tested(config, dataset, data_dir, split, distractors)
    settings = _settings(config, tested.name, changes or {})
    group = group or Alone()
    check_shared(settings, settings.engine, group)
    extracted = None
    if group.rank == 0:
        extracted = features_of_run(
            run,
            dataset=dataset,
            data_dir=data_dir,
            split=split,
            distractors=distractors,
            flip=settings.flip,
            batch_size=settings.batch_size,
            device=device,
            steps=steps,
        )
    features, device_used = _shared(extracted, group)
    result = evaluate_by(
        features,
        settings,
        engine=settings.engine,
        device=device_used,
        progress=progress,
        group=group,
    )
    evaluated = Evaluated(
        network=read_record(run).network,
        data=tested.facts(features, result),
        settings=settings_used(settings),
        result=result.evaluation,
        per_query=scored_queries(result.single, result.multi),
    )
    if extracted is None:
        return features, result, kept_file(run, [evaluated])
    return features, result, keep(run, [evaluated], extracted[1])


def _shared(extracted: tuple[Features, Compute] | None, group: Group) -> tuple[Features, str]:
    """Gives all processes what process 0 has extracted, and on what kind of device."""
    arrays = None
    if extracted is not None:
        features, compute = extracted
        if group.size == 1:
            return features, str(compute.device)
        arrays = to_arrays(features) | {_DEVICE: np.array([str(compute.device)])}
    arrays = group.shared(arrays)
    device = str(arrays.pop(_DEVICE)[0])
    return from_arrays(arrays, Path("features")), group.device(device)


def _tested(
    config: AnyConfig,
    dataset: str | None,
    data_dir: Path | None,
    split: int | None,
    distractors: Path | None,
) -> Tested:
    """Returns which data are meant where only some of it was given."""
    own = dataset in (None, config.data.name)
    own_folder, own_split = (config.data.dir, config.data.split) if own else (None, 0)
    return Tested(
        dataset or config.data.name,
        data_dir or own_folder,
        own_split if split is None else split,
        distractors,
    )


def _settings(config: AnyConfig, dataset: str, changes: dict[str, Any]) -> EvalConfig:
    """Returns the run's settings with changes; another data set brings its own kind of gallery."""
    if dataset != config.data.name:
        own = find_entry(dataset).defaults.get("eval", {})
        changes = {"gallery": own.get("gallery", "all"), **changes}
    return changed(config.eval, changes, "eval")


def evaluate_classes(
    run: Path,
    *,
    data_dir: Path | None = None,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    steps: Steps | None = None,
) -> tuple[dict[str, ClassScores], Path]:
    """Evaluates the networks of a classification run again, and keeps the result in the run.

    Args:
        run: the run's folder.
        data_dir: the data set's folder.
        flip, batch_size: as in the ``eval`` section; None: the run's own.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the progress.

    Returns:
        Scores by network, and the file under ``RUN/evaluations`` that records them.

    Raises:
        UserError: no run folder, no weights in it, or data that cannot be read.
    """
    folder = RunFolder(run)
    config = folder.read_config(OPTIONS)
    changes = {"flip": flip, "batch_size": batch_size}
    settings = changed(config.eval, {k: v for k, v in changes.items() if v is not None}, "eval")
    data = config.data.model_copy(update={"dir": data_dir or config.data.dir})
    compute = choose(device, config.train.precision, config.train.threads)
    task = ClassificationTask(
        config.model_copy(update={"eval": settings, "data": data}),
        compute,
        steps or (lambda what, done, total: None),
    )
    names = [name for name in read_record(run).results if folder.weights(name).exists()]
    with compute.activated():
        networks = {name: load_network(folder.weights(name)).to(compute.device) for name in names}
        models = {name: Model(name, made.spec, None, made) for name, made in networks.items()}
        judged = task.judge(models, {})
    evaluated = [
        Evaluated(
            network=name,
            data=own_data(task.facts, config.data.split, done.result).model_copy(
                update={"folder": absolute(data.dir)}
            ),
            settings=settings_used(settings, "classification"),
            result=done.result,
        )
        for name, done in judged.items()
    ]
    scores = {
        name: done.result for name, done in judged.items() if isinstance(done.result, ClassScores)
    }
    return scores, keep(run, evaluated, compute)
