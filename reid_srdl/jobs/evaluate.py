"""Evaluates the networks of a finished run, for re-id on its own data set or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import DataConfig, EvalConfig, changed, sets_of
from reid_srdl.data import Patterns, find_entry
from reid_srdl.errors import FileError, fail
from reid_srdl.evaluation import Progress, Scored
from reid_srdl.group.processes import Group
from reid_srdl.jobs.extract import opened_run, own_set
from reid_srdl.jobs.judging import judge
from reid_srdl.jobs.judging_classes import Classifier, judge_classes
from reid_srdl.jobs.later import Tested, absolute, keep, kept_file
from reid_srdl.jobs.networks import choose_for, network_of
from reid_srdl.methods import KNOWN
from reid_srdl.places import StrPath, as_path
from reid_srdl.records.belonging import origin_of, read_run
from reid_srdl.records.evaluated import Evaluated, own_data, settings_used
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.queries import scored_queries
from reid_srdl.retrieval.features import Features
from reid_srdl.tasks.data import settings_on
from reid_srdl.tasks.task import Noted, Steps


def evaluate_run(
    run: StrPath,
    *,
    dataset: str | None = None,
    data_dir: StrPath | None = None,
    split: int | None = None,
    distractors: StrPath | None = None,
    patterns: Mapping[str, str] | None = None,
    changes: dict[str, Any] | None = None,
    lists: int | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    noted: Noted | None = None,
    progress: Progress | None = None,
    group: Group | None = None,
    refused: Callable[[FileError], None] = fail,
) -> tuple[Features, Scored, Path]:
    """Extracts features with a run's network, evaluates them, and keeps the result in the run.

    Args:
        run: the run's folder.
        dataset: another data set than the run's own.
        data_dir: its folder.
        split: which division of it; by default the run's own, on another data set the first.
        distractors: a folder of images that join the gallery as nobody's.
        patterns: of people: ``camera`` and ``person``, where they are not the run's own.
        changes: keys of the ``eval`` section that differ from the run's own, and what their
            ``rules`` imply.
        lists: length of the rank lists that will be asked for; None: none.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps: told of the extraction's progress.
        noted: told what of the data was left out.
        progress: told of the ranking's progress.
        group: the processes that share the ranking; process 0 extracts and records.
        refused: told where the result cannot be recorded; by default that is an error.

    Returns:
        The features, the evaluation, and the file under ``RUN/evaluations`` that records it; one
        of other data, places or settings stands beside it.

    Raises:
        UserError: no run folder, no weights in it, or data that cannot be read.

    >>> features, scored, file = evaluate_run("runs/small", data_dir="set")  # doctest: +SKIP
    >>> features.query.features.shape, len(scored.single)  # doctest: +SKIP
    ((12, 512), 12)
    """
    run, data_dir, distractors = as_path(run), as_path(data_dir), as_path(distractors)
    config, record = read_run(RunFolder(run), KNOWN)
    tested = _tested(config.data, dataset, data_dir, split, distractors)
    settings = _settings(config.data, config.eval, tested.name, changes or {})
    judged = judge(
        lambda check: opened_run(
            run,
            dataset=dataset,
            data_dir=data_dir,
            split=split,
            distractors=distractors,
            patterns=patterns_of(config.data, tested.name, patterns or {}),
            flip=settings.flip,
            batch_size=settings.batch_size,
            device=device,
            steps=steps,
            check=check,
        ),
        settings,
        lists=lists,
        steps=steps,
        noted=noted,
        progress=progress,
        group=group,
    )
    features, result = judged.features, judged.result
    evaluated = Evaluated(
        network=record.network,
        data=tested.facts(features, result, judged.content),
        settings=settings_used(settings),
        result=result.evaluation,
        per_query=scored_queries(result.single, result.multi),
    )
    if judged.compute is None:
        return features, result, kept_file(run, [evaluated])
    kept = keep(run, [evaluated], judged.compute, refused, ranks=result.kept)
    return features, result, kept


def patterns_of(data: DataConfig, dataset: str, given: Mapping[str, str]) -> Patterns:
    """Returns what paths tell, by a configuration's own patterns and what was given."""
    own = data.model_dump(include={"camera", "person"})
    alone = data.model_copy(update={"dirs": ()})  # of a joint set each has one
    told = changed(alone, {"name": dataset, **own, **given}, "data")
    return Patterns(told.camera, told.person)


def _tested(
    data: DataConfig,
    dataset: str | None,
    data_dir: Path | None,
    split: int | None,
    distractors: Path | None,
) -> Tested:
    """Returns which data are meant where only some of it was given."""
    name, own = own_set(data, dataset), dict(sets_of(data))
    own_split = data.split if name in own else 0
    return Tested(
        name, data_dir or own.get(name), own_split if split is None else split, distractors
    )


def _settings(
    data: DataConfig, own: EvalConfig, dataset: str, changes: dict[str, Any]
) -> EvalConfig:
    """Returns a run's settings with changes; another data set brings its own kind of gallery."""
    if dataset in dict(sets_of(data)):
        return changed(settings_on(data, own, dataset), changes, "eval")
    return settings_elsewhere(own, dataset, changes)


def settings_elsewhere(own: EvalConfig, dataset: str, changes: dict[str, Any]) -> EvalConfig:
    """Returns a network's settings on a data set that it was not trained on, with changes.

    Raises:
        UserError: no such data set, or settings that cannot be.
    """
    defaults = find_entry(dataset).defaults.get("eval", {})
    return changed(own, {"gallery": defaults.get("gallery", "all"), **changes}, "eval")


def evaluate_classes(
    run: StrPath,
    *,
    dataset: str | None = None,
    data_dir: StrPath | None = None,
    flip: bool | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    noted: Noted | None = None,
    refused: Callable[[FileError], None] = fail,
) -> tuple[dict[str, ClassScores], Path]:
    """Evaluates the networks of a classification run again, and keeps the result in the run.

    Classes are matched by name.

    Args:
        run: the run's folder.
        dataset: of an imported network, whose own data set nobody knows: on which.
        data_dir: the data set's folder.
        flip, batch_size: as in the ``eval`` section; None: the run's own.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        steps, noted: told of the progress, and what of the data was left out.
        refused: as in `evaluate_run`.

    Returns:
        Scores by network (fractions from 0 to 1, cross-entropy in nats), and the file under
        ``RUN/evaluations`` that records them.

    Raises:
        UserError: no run folder, no weights in it, data that cannot be read, or of other classes.

    >>> scores, file = evaluate_classes("class-runs/small", data_dir="classes")  # doctest: +SKIP
    >>> scores["vanilla"].images, 0 <= scores["vanilla"].top1 <= 1  # doctest: +SKIP
    (18, True)
    """
    run, data_dir = as_path(run), as_path(data_dir)
    folder = RunFolder(run)
    config, record = read_run(folder, KNOWN)
    changes = {"flip": flip, "batch_size": batch_size}
    settings = changed(config.eval, {k: v for k, v in changes.items() if v is not None}, "eval")
    where = {"name": dataset or config.data.name, "dir": data_dir or config.data.dir}
    data = config.data.model_copy(update=where)
    networks = {}
    for name in record.results:
        if name == record.network or folder.weights(name).exists():
            network, origin = network_of(folder, record, name), origin_of(folder, record, name)
            networks[name] = Classifier(str(run), network, origin.classes, origin.among)
    spec = networks[record.network].network.spec
    compute = choose_for(spec, device, config.train.precision, config.train.threads)
    task, judged = judge_classes(data, settings, networks, compute, steps=steps, noted=noted)
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
    return scores, keep(run, evaluated, compute, refused)
