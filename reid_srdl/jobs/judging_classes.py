"""From networks that know classes by name, and the data, to their scores.

Where the networks come from, a run's folder or a file, makes no difference here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reid_srdl.config import DataConfig, EvalConfig
from reid_srdl.data import find_entry
from reid_srdl.data.classes.samples import ClassData, Samples
from reid_srdl.data.colours import grey
from reid_srdl.errors import UserError
from reid_srdl.jobs.judging import tell_left_out
from reid_srdl.models.network import Network
from reid_srdl.records.belonging import check_classes
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.tasks.data import TaskData, read_data
from reid_srdl.tasks.normalised import normalisation_of
from reid_srdl.tasks.task import Judged, Noted, Steps
from reid_srdl.training.precision import Compute
from reid_srdl.training.values import Model, View


@dataclass(frozen=True)
class Classifier:
    """A network that tells classes apart.

    Attributes:
        source: a run's folder or a file, for messages.
        network: the network.
        classes: the names of what its logits stand for, in their order; empty: nobody knows them.
        among: the names of all classes that it was trained on; ``classes`` are some of them.
    """

    source: str
    network: Network
    classes: tuple[str, ...]
    among: tuple[str, ...]


def judge_classes(
    data: DataConfig,
    judged: EvalConfig,
    networks: Mapping[str, Classifier],
    compute: Compute,
    *,
    steps: Steps | None = None,
    noted: Noted | None = None,
) -> tuple[ClassificationTask, dict[str, Judged]]:
    """Evaluates networks on the test images of one data set, their classes matched by name.

    A network that takes grey images sees the luma of those in colour.

    Args:
        data: names the data set.
        judged: how to evaluate.
        networks: by name; they take their pixels alike.
        compute: where they run.
        steps, noted: told of the progress, and what of the data was left out.

    Raises:
        UserError: classes that nobody named, data that cannot be read, that have other classes, or
            that are grey where a network takes colours.
    """
    name = data.name
    for one in networks.values():
        _check_named(one, name)
    steps = steps or (lambda what, done, total: None)
    first = next(iter(networks.values())).network
    found = _seen_by(first, read_data(data, judged, steps), name)
    tell_left_out(found.data, noted)
    own = normalisation_of(first.spec, find_entry(name).normalisation)
    task = ClassificationTask(data, judged, compute, steps, found, normalisation=own)
    models = {key: _model(key, one, task, compute) for key, one in networks.items()}
    with compute.activated():
        return task, task.judge(models, {})


def _check_named(one: Classifier, dataset: str) -> None:
    if not one.among:
        raise UserError(
            f"{one.source}: nobody knows the names of its classes, by which those of {dataset} are "
            "found",
            "give eval --weights, or import, --classes FILE: a name in each line, in the order of "
            "the logits",
            usage=True,
        )


def _model(name: str, one: Classifier, task: ClassificationTask, compute: Compute) -> Model:
    """Returns a network with the classes by which it is judged; None: the data's, in their order.

    The same classes in another order are judged as their names say.
    """
    if set(one.among) != set(task.classes):
        check_classes(one.source, one.among, "the data", task.classes)
    view = None if one.classes == task.classes else View(one.classes)
    return Model(name, one.network.spec, view, one.network.to(compute.device))


def _seen_by(network: Network, found: TaskData, name: str) -> TaskData:
    """Returns a data set in the channels that a network takes."""
    data = found.data
    assert isinstance(data, ClassData)
    channels = data.test.pixels.shape[3]
    if network.channels == channels:
        return found
    if network.channels == 3:
        raise UserError(
            f"the network takes images in colour, and those of {name} are grey",
            "evaluate a network of one channel, or put the images into a class-folder, whose "
            "images are read as colours",
        )
    return replace(found, data=replace(data, train=_grey(data.train), test=_grey(data.test)))


def _grey(samples: Samples) -> Samples:
    pixels: Any = samples.pixels
    if not isinstance(pixels, np.ndarray):
        raise UserError(
            "the network takes grey images, and these are read as a stream of colours",
            "evaluate a network of three channels",
        )
    return replace(samples, pixels=grey(pixels))
