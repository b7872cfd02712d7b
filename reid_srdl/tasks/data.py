"""A configured data set, listed and known by its content, before anything of it is trained on."""

from __future__ import annotations

from dataclasses import dataclass

from reid_srdl.config import AnyConfig
from reid_srdl.data import find_entry, load_classes, load_dataset
from reid_srdl.data.classes.samples import ClassData
from reid_srdl.data.content import Content, content_of
from reid_srdl.data.held_out import held_identities, held_images
from reid_srdl.data.reid.crops import ReidData, of_identities
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
    """

    data: ReidData | ClassData
    content: Content
    classes: tuple[str, ...]
    held: frozenset[str] = frozenset()

    @property
    def facts(self) -> ContentFacts:
        """What a record says of the content."""
        return content_facts(self.content, self.classes)


def read_data(config: AnyConfig, steps: Steps) -> TaskData:
    """Finds the configured data set and lists it.

    Args:
        config: the experiment.
        steps: told (what, pieces done, pieces in all) of reading.

    Raises:
        UserError: the data cannot be read, there are fewer identities than asked for, or too few
            to hold some out.
    """
    section = config.data
    data: ReidData | ClassData
    if find_entry(section.name).task == "reid":
        data = load_dataset(section.name, section.dir, section.split)
    else:
        data = load_classes(section.name, section.dir, (section.height, section.width), steps)
    classes = data.class_names
    if isinstance(data, ReidData) and section.identities is not None:
        if section.identities > len(classes):
            raise UserError(
                f"data.identities: {section.identities} is more than the {len(classes)} of the "
                "training set",
                "lower data.identities, or leave it out for all",
                usage=True,
            )
        classes = classes[: section.identities]
    held = _held(data, classes, section.validation) if section.validation else frozenset()
    classes = tuple(name for name in classes if name not in held)
    return TaskData(data, content_of(data, steps), classes, held)


def _held(data: ReidData | ClassData, classes: tuple[str, ...], share: float) -> frozenset[str]:
    """Returns the identities that are held out; of classes images are, which is only checked."""
    if isinstance(data, ClassData):
        held_images(data.train.labels, share, classes)
        return frozenset()
    held = held_identities(classes, share)
    check_held_out(of_identities(data.train, held)[0])
    return held
