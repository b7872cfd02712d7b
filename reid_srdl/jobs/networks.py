"""Networks of finished runs, and whether data are what they know."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.models.network import Network
from reid_srdl.models.origin import Origin
from reid_srdl.models.weights import load_network
from reid_srdl.records.belonging import check_classes, origin_of
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import NetworkRecord
from reid_srdl.tasks.classification import ClassificationTask
from reid_srdl.tasks.task import Task
from reid_srdl.training.values import View


def network_of(folder: RunFolder, record: NetworkRecord, name: str) -> Network:
    """Loads a network that a run's method returned, having seen that it is the run's.

    Raises:
        UserError: its file is missing, damaged, or of another run.
    """
    network = load_network(folder.weights(name))
    origin_of(folder, record, name)
    return network


def view_of(run: Path, origin: Origin, task: ClassificationTask) -> View | None:
    """Returns the classes by which a network is judged; None: the data's, in their order.

    They are matched by name: the same ones in another order are judged as their names say.

    Args:
        run: the run's folder.
        origin: what the network's file says.
        task: the data.

    Raises:
        UserError: the data have other classes than the run was trained on.
    """
    if set(origin.among) != set(task.classes):
        check_classes(str(run), origin.among, "the data", task.classes)
    return None if origin.classes == task.classes else View(origin.classes)


def check_trained_on(run: Path, record: NetworkRecord, task: Task) -> None:
    """Checks that data are what a run was trained on.

    Raises:
        UserError: they are not.
    """
    known, now = record.dataset.content, task.facts.content
    if known is None or now is None:
        return
    differ = [
        key for key in ("train", "test", "classes") if getattr(known, key) != getattr(now, key)
    ]
    if differ:
        what = {"train": "training images", "test": "test images", "classes": "classes"}
        raise UserError(
            f"{run}: not the data of this run: other {' and '.join(what[key] for key in differ)}",
            "give --data-dir the data that the run was trained on",
        )
