"""A configured data set, listed and known by its content, before anything of it is trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_srdl.config import DataConfig, EvalConfig, changed, sets_of
from reid_srdl.data import Patterns, find_entry, load_classes, load_people
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.content import Content, content_of, joint_content
from reid_srdl.data.fewer import fewer_images
from reid_srdl.data.held_out import held_identities, held_images
from reid_srdl.data.labelled import labelled_images
from reid_srdl.data.reid.crops import ReidData
from reid_srdl.data.reid.joint import joint_pids
from reid_srdl.errors import UserError
from reid_srdl.records.content import ContentFacts, content_facts
from reid_srdl.tasks.task import Steps
from reid_srdl.tasks.validation import check_held_out


@dataclass(frozen=True)
class TaskData:
    """A data set as a run uses it.

    Attributes:
        data: as loaded.
        content: digests of what it holds.
        classes: the names of the classes or identities that are trained on, by their labels.
        held: the identities that are held out, to judge epochs by.
        parts: the sets that a joint set joins, each as it is by itself.
        folder: the name of its folder, where it is a set of one's own.
    """

    data: ReidData | ClassData
    content: Content
    classes: tuple[str, ...]
    held: frozenset[str] = frozenset()
    parts: tuple[TaskData, ...] = ()
    folder: str | None = None

    @property
    def facts(self) -> ContentFacts:
        """What a record says of the content."""
        return content_facts(self.content, self.classes)


def read_data(section: DataConfig, judged: EvalConfig, steps: Steps) -> TaskData:
    """Finds the configured data set and lists it.

    Args:
        section: names the data set.
        judged: how networks will be judged: what is held out must allow it.
        steps: told (what, pieces done, pieces in all) of reading.

    Raises:
        UserError: the data cannot be read, there are fewer identities than asked for, or too few
            to hold some out.
    """
    if find_entry(section.name).task == "reid":
        patterns = Patterns(section.camera, section.person)
        people = load_people(sets_of(section), section.split, patterns)
        found = _people(people, section.identities, steps)
    else:
        data = load_classes(section.name, section.dir, (section.height, section.width), steps)
        found = _task_data(data, steps, data.class_names)
    if not section.validation:
        return found
    held = _held(found, section.validation, judged)
    return replace(found, classes=tuple(c for c in found.classes if c not in held), held=held)


def _held(found: TaskData, share: float, judged: EvalConfig) -> frozenset[str]:
    """Returns the identities that are held out; of classes images are, which is only checked."""
    data, classes = found.data, found.classes
    if isinstance(data, ClassData):
        held_images(data.train.labels, share, classes)
        return frozenset()
    held = held_identities(classes, share)
    check_held_out(data.training_crops(held)[0], judged.same_camera)
    return held


def drawn_of(data: DataConfig, labels: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Returns which of the images that are not held out are trained on; None: all are.

    Raises:
        UserError: there are fewer than asked for, or more classes.
    """
    return None if data.images is None else fewer_images(labels, data.images)


def shown_by(data: DataConfig, labels: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Returns which of the training images show their labels; None: all do."""
    return None if data.labelled == 1 else labelled_images(labels, data.labelled)


def settings_on(data: DataConfig, judged: EvalConfig, dataset: str) -> EvalConfig:
    """Returns how networks are judged on one of the sets that an experiment trains on.

    A set of a joint one that has a kind of gallery of its own keeps it.
    """
    own = find_entry(dataset).defaults.get("eval", {}) if dataset != data.name else {}
    return changed(judged, own, "eval") if own else judged


def _people(data: ReidData, most: int | None, steps: Steps) -> TaskData:
    """Returns a re-id set, of a joint one with its parts.

    Args:
        data: as loaded.
        most: train on the first so many identities of each set; None: on all.
        steps: told of reading.

    Raises:
        UserError: a set has fewer identities.
    """
    if not data.parts:
        return _task_data(data, steps, _first(data, most))
    parts = tuple(_people(part, most, steps) for part in data.parts)
    classes = [
        str(pid)
        for place, (own, part) in enumerate(zip(data.parts, parts, strict=True))
        for pid in joint_pids(data.parts, place, own.numbers(part.classes)).tolist()
    ]
    content = joint_content(data, [part.content for part in parts])
    return TaskData(data, content, tuple(classes), parts=parts)


def _task_data(data: ReidData | ClassData, steps: Steps, classes: tuple[str, ...]) -> TaskData:
    folder = data.root.resolve().name if find_entry(data.name).own else None
    return TaskData(data, content_of(data, steps), classes, folder=folder)


def _first(data: ReidData, most: int | None) -> tuple[str, ...]:
    names = data.class_names
    if most is not None and most > len(names):
        raise UserError(
            f"data.identities: {most} is more than the {len(names)} of the training set of "
            f"{data.name}",
            "lower data.identities, or leave it out for all",
            usage=True,
        )
    return names[:most]
