"""Evaluates a network that others trained straight from its file; nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reid_srdl.analysis.class_scores import ClassScores
from reid_srdl.config import EvalConfig, changed
from reid_srdl.data import UNKNOWN, find_entry, load_dataset
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.distractors import with_distractors
from reid_srdl.evaluation import Progress, Scored
from reid_srdl.group.processes import Group
from reid_srdl.jobs.evaluate import patterns_of, settings_elsewhere
from reid_srdl.jobs.foreign_file import ForeignFile
from reid_srdl.jobs.importing import NETWORK, configured
from reid_srdl.jobs.judging import judge
from reid_srdl.jobs.judging_classes import Classifier, judge_classes
from reid_srdl.jobs.networks import choose_for
from reid_srdl.retrieval.features import Features
from reid_srdl.tasks.features import Extractor
from reid_srdl.tasks.task import Noted, Steps


def evaluate_weights(
    file: ForeignFile,
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    split: int | None = None,
    distractors: Path | None = None,
    patterns: Mapping[str, str] | None = None,
    changes: dict[str, Any] | None = None,
    lists: int | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    noted: Noted = lambda line: None,
    progress: Progress | None = None,
    group: Group | None = None,
) -> tuple[Features, Scored]:
    """Extracts features with a foreign network and evaluates them.

    The figures are those of the same file imported and evaluated as a run, to the digit.

    Args:
        file: the file, and what is said of it.
        dataset: on which data set.
        data_dir, split, distractors, patterns, lists, device, steps, progress, group: as in
            `jobs.evaluate.evaluate_run`.
        changes: keys of the ``eval`` section that differ from how the network's code judges it.
        noted: told what of the file and the data was left out or assumed, a line each.

    Raises:
        UserError: no data set is named, data that cannot be read, or as `ForeignFile.read`.
    """
    find_entry(dataset or UNKNOWN)
    assert dataset is not None
    foreign = file.read()
    for line in foreign.notes:
        noted(line)
    config = configured(file.model, foreign=foreign)
    settings: EvalConfig = settings_elsewhere(config.eval, dataset, changes or {})

    told = patterns_of(config.data, dataset, patterns or {})
    train = config.train
    compute = choose_for(foreign.network.spec, device, train.precision, train.threads)

    def opened(check: Callable[[ReidData], None]) -> tuple[Extractor, ReidData]:
        data = load_dataset(dataset, data_dir, split or 0, told)
        if distractors is not None:
            data = with_distractors(data, distractors)
        check(data)
        network = foreign.network.to(compute.device)
        return Extractor(
            network, foreign.size, compute, settings.batch_size, settings.flip, steps
        ), data

    judged = judge(
        opened,
        settings,
        lists=lists,
        steps=steps,
        noted=noted,
        progress=progress,
        group=group,
        keep=False,
    )
    return judged.features, judged.result


def evaluate_weights_of_classes(
    file: ForeignFile,
    *,
    dataset: str,
    data_dir: Path | None = None,
    changes: dict[str, Any] | None = None,
    device: str = "auto",
    steps: Steps | None = None,
    noted: Noted = lambda line: None,
) -> dict[str, ClassScores]:
    """Evaluates a foreign network on test images of classes, matched by name.

    The figures are those of the same file imported and evaluated as a run, to the digit.

    Args:
        file: the file, and what is said of it, its classes among that.
        dataset: on which data set.
        data_dir, device, steps: as in `jobs.evaluate.evaluate_classes`.
        changes: keys of the ``eval`` section that differ from how the network's code judges it.
        noted: told what of the file and the data was left out or assumed, a line each.

    Raises:
        UserError: as `ForeignFile.read` and `jobs.judging_classes.judge_classes`.
    """
    foreign = file.read()
    for line in foreign.notes:
        noted(line)
    config = configured(file.model, foreign=foreign)
    settings = changed(config.eval, changes or {}, "eval")
    data = config.data.model_copy(update={"name": dataset, "dir": data_dir})
    train, known = config.train, foreign.classes
    compute = choose_for(foreign.network.spec, device, train.precision, train.threads)
    network = Classifier(str(file), foreign.network, known, known)
    _, judged = judge_classes(data, settings, {NETWORK: network}, compute, steps=steps, noted=noted)
    found = judged[NETWORK].result
    assert isinstance(found, ClassScores)
    return {NETWORK: found}
