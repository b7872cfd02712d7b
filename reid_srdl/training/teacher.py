"""A finished run as a teacher: what is checked and kept of it, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.spec_files import read_origin, read_spec
from reid_srdl.records.belonging import check_classes, check_weights
from reid_srdl.records.cost import Work
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record


@dataclass(frozen=True)
class Teacher:
    """The result of a finished run.

    Attributes:
        spec: its network.
        weights: its file.
        run: the run's name.
        experiment: fingerprint of its configuration without the seed.
        digest: SHA-256 of its weights file.
        trcost: what its training cost, 10^16, its own teachers included.
        work: the same as counted multiply-accumulates, forward and backward.
    """

    spec: NetworkSpec
    weights: Path
    run: str
    experiment: str
    digest: str
    trcost: float
    work: Work


@dataclass(frozen=True)
class Student:
    """What a teacher must fit.

    Attributes:
        dataset: the name of the student's data set.
        classes: the names of its classes or identities, in the order of their labels.
        size: (height, width) of its images in pixels.
        content: digest of its training set's files.
    """

    dataset: str
    classes: tuple[str, ...]
    size: tuple[int, int]
    content: str = ""


def read_teacher(run: Path, student: Student) -> Teacher:
    """Reads what a finished run is as a teacher.

    NOTE: the same classes in another order are refused, too: tables of knowledge go by position.

    Args:
        run: the run's folder.
        student: what it must fit.

    Raises:
        UserError: no finished run, no weights in it or those of another run; or it was trained on
            another data set, other classes or other people, or takes images of another size only.
    """
    record = read_record(run)
    if record.dataset.name != student.dataset:
        raise UserError(
            f"{run}: this teacher was trained on {record.dataset.name}, not on the student's "
            f"{student.dataset}",
            "name a teacher that was trained on the same data set",
        )
    weights = RunFolder(run).weights(record.network)
    spec, origin = read_spec(weights), read_origin(weights)
    check_weights(weights, origin, record, record.network)
    check_classes(f"{run}: this teacher", origin.classes, "the student", student.classes)
    content = record.dataset.content
    if record.dataset.task == "reid" and (content is None or content.train != student.content):
        raise UserError(
            f"{run}: this teacher was trained on other images than the student's: people of the "
            f"same number may be others",
            "name a teacher that was trained on the same data",
        )
    if spec.size not in (None, student.size):
        raise UserError(
            f"{run}: this teacher takes images of {_pixels(spec.size)}, the student's are "
            f"{_pixels(student.size)}",
            "set data.height and data.width to the teacher's, or name another teacher",
        )
    return Teacher(
        spec,
        weights,
        record.name,
        record.experiment,
        file_digest(weights),
        record.cost.trcost,
        record.true_work,
    )


def _pixels(size: tuple[int, int] | None) -> str:
    return " x ".join(map(str, size or ()))
