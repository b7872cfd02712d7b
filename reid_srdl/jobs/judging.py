"""From a network and the data that it is to be judged on to its scores, by any number of processes.

Where the network comes from, a run's folder or a file, makes no difference here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from reid_srdl.config import EvalConfig
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.content import content_of_test
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.evaluation import (
    Progress,
    Scored,
    check_settings,
    check_shared,
    evaluate_by,
)
from reid_srdl.evaluation.rank_lists import check_lists
from reid_srdl.feature_files.reading import from_arrays, to_arrays
from reid_srdl.group.processes import Alone, Group
from reid_srdl.retrieval.features import Features
from reid_srdl.tasks.features import Extractor, all_parts
from reid_srdl.tasks.reid import check_data
from reid_srdl.tasks.task import Noted, Steps
from reid_srdl.training.precision import Compute

_DEVICE, _CONTENT = "device", "content"

# Opens network and data; the data are shown to the argument, which may refuse them, before any
# image is read.
Open = Callable[[Callable[[ReidData], None]], tuple[Extractor, ReidData]]


@dataclass(frozen=True)
class JudgedNetwork:
    """A network's scores on re-id data.

    Attributes:
        features: what it made of the images.
        result: the scores.
        content: digest of the test images.
        compute: where they were computed; None in processes that only share the ranking.
    """

    features: Features
    result: Scored
    content: str
    compute: Compute | None


def judge(
    opened: Open,
    settings: EvalConfig,
    *,
    lists: int | None = None,
    steps: Steps | None = None,
    noted: Noted | None = None,
    progress: Progress | None = None,
    group: Group | None = None,
    keep: bool = True,
) -> JudgedNetwork:
    """Computes features in process 0 and evaluates them in all.

    Args:
        opened: opens network and data, in process 0.
        settings: how to evaluate.
        lists: length of the rank lists that will be asked for; None: none.
        steps: told of the extraction's progress.
        noted: told what of the data was left out.
        progress: told of the ranking's progress.
        group: the processes that share the ranking.
        keep: keep the top of the ranking.

    Raises:
        UserError: settings that contradict each other, or data that cannot be evaluated by them.
    """
    group = group or Alone()
    check_shared(settings, settings.engine, group, settings.verify)
    check_settings(settings, settings.engine)
    extracted = None
    if group.rank == 0:
        extractor, data = opened(partial(_check, settings, lists))
        tell_left_out(data, noted)
        content = content_of_test(data, steps).digest
        extracted = all_parts(extractor, data), extractor.compute, content
    features, device, content = _shared(extracted, group)
    result = evaluate_by(
        features,
        settings,
        engine=settings.engine,
        device=device,
        progress=progress,
        group=group,
        verify=settings.verify,
        keep=keep,
    )
    result = replace(result, content=content)
    return JudgedNetwork(features, result, content, None if extracted is None else extracted[1])


def tell_left_out(data: ReidData | ClassData, noted: Noted | None) -> None:
    """Tells what was left out of a data set, a line each."""
    if noted is not None:
        for note in data.notes:
            noted(note.line)


def _check(settings: EvalConfig, lists: int | None, data: ReidData) -> None:
    """Checks by labels alone that the data can be evaluated, and listed where ``lists`` says so."""
    check_data(data, settings)
    if lists is not None:
        check_lists(settings, lists, len(data.gallery))


def _shared(
    extracted: tuple[Features, Compute, str] | None, group: Group
) -> tuple[Features, str, str]:
    """Gives all processes what process 0 has extracted, on what kind of device, of what content."""
    arrays = None
    if extracted is not None:
        features, compute, content = extracted
        if group.size == 1:
            return features, str(compute.device), content
        told = {_DEVICE: np.array([str(compute.device)]), _CONTENT: np.array([content])}
        arrays = to_arrays(features) | told
    arrays = group.shared(arrays)
    device, content = str(arrays.pop(_DEVICE)[0]), str(arrays.pop(_CONTENT)[0])
    return from_arrays(arrays, Path("features")), group.device(device), content
