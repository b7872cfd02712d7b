"""Evaluates the networks of a finished run, for re-id on its own data set or another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import AnyConfig, EvalConfig, with_rules
from reid_srdl.data import find_entry
from reid_srdl.evaluation import Evaluated, Progress, check_shared, evaluate_by
from reid_srdl.files import write_json
from reid_srdl.jobs.extract import features_of_run
from reid_srdl.methods import OPTIONS
from reid_srdl.models.weights import load_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record
from reid_srdl.retrieval.feature_files import from_arrays, to_arrays
from reid_srdl.retrieval.features import Features
from reid_srdl.retrieval.sharding import Alone, Group
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.tasks.task import Steps
from reid_srdl.training.precision import Compute, choose

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
) -> tuple[Features, Evaluated, Path]:
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
        The features, the evaluation, and the file under ``RUN/evaluations`` that records it.

    Raises:
        UserError: no run folder, no weights in it, or data that cannot be read.
    """
    config = RunFolder(run).read_config(OPTIONS)
    name = dataset or config.data.name
    settings = _settings(config, name, changes or {})
    group = group or Alone()
    check_shared(settings, group)
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
    result = evaluate_by(features, settings, device=device_used, progress=progress, group=group)
    kept = RunFolder(run).evaluation(_title(name, split, distractors, settings))
    if extracted is None:
        return features, result, kept
    compute = extracted[1]
    facts = {
        "dataset": name,
        "split": split,
        "distractors": None if distractors is None else str(distractors),
        "eval": settings.model_dump(mode="json"),
        "device": compute.device_name,
        "precision": compute.precision,
        "result": result.evaluation.model_dump(mode="json"),
    }
    write_json(kept, facts)
    return features, result, kept


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


def _settings(config: AnyConfig, dataset: str, changes: dict[str, Any]) -> EvalConfig:
    """Returns the run's settings with changes; another data set brings its own kind of gallery."""
    if dataset != config.data.name:
        own = find_entry(dataset).defaults.get("eval", {})
        changes = {"gallery": own.get("gallery", "all"), **changes}
    return config.eval.model_copy(update=with_rules(changes))


def _title(dataset: str, split: int | None, distractors: Path | None, settings: EvalConfig) -> str:
    """Names an evaluation's file, so that other data or galleries do not replace it."""
    parts = [
        dataset,
        f"split{split}" if split is not None else "",
        "distractors" if distractors is not None else "",
        settings.gallery if settings.gallery != "all" else "",
    ]
    return "+".join(part for part in parts if part)


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
    settings = config.eval.model_copy(update={k: v for k, v in changes.items() if v is not None})
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
        judged = task.judge(networks, {})
    scores = {
        name: done.result for name, done in judged.items() if isinstance(done.result, ClassScores)
    }
    kept = folder.evaluation(config.data.name)
    facts = {
        "dataset": config.data.name,
        "eval": settings.model_dump(mode="json"),
        "device": compute.device_name,
        "precision": compute.precision,
        "results": {name: score.model_dump(mode="json") for name, score in scores.items()},
    }
    write_json(kept, facts)
    return scores, kept
