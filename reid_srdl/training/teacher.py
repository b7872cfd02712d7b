"""A finished run as a teacher: what is checked and kept of it, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.data import find_entry
from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.models.changes import Normalised
from reid_srdl.models.origin import Origin
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.spec_files import read_origin, read_spec
from reid_srdl.records.belonging import check_classes, check_weights
from reid_srdl.records.cost import NO_WORK, Work
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import ImportedRecord, NetworkRecord, RunRecord
from reid_srdl.records.store import read_network_record


@dataclass(frozen=True)
class Teacher:
    """The result of a finished run, or another network of it.

    Attributes:
        spec: its network.
        weights: its file.
        run: the run's name, ``RUN:NAME`` for a network that is not its result.
        experiment: fingerprint of its configuration without the seed, likewise.
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


@dataclass(frozen=True)
class Source:
    """A finished run that a program learns from, and how.

    Attributes:
        run: its folder.
        logits: by its logits, so that its classes must be the student's.
        resized: it sees the student's crops alone, resized where it takes another size.
        layers: layers alone are copied from it, so that its classes, data and size may be others;
            ``run`` may be a file of weights.
    """

    run: Path
    logits: bool = True
    resized: bool = False
    layers: bool = False

    def read(self, student: Student) -> Teacher:
        """Returns it, checked against whom it is to teach.

        Raises:
            UserError: as `read_teacher` and `read_source`.
        """
        if self.layers:
            return read_source(self.run)
        return read_teacher(self.run, student, logits=self.logits, resized=self.resized)


def read_teacher(
    run: Path, student: Student, *, logits: bool = True, resized: bool = False
) -> Teacher:
    """Reads what a finished run is as a teacher.

    NOTE: the same classes in another order are refused, too: tables of knowledge go by position.

    Args:
        run: the run's folder.
        student: what it must fit.
        logits, resized: see `Source`.

    Raises:
        UserError: no finished run, no weights in it or those of another run; or it was trained on
            another data set, other classes or other people, or takes images of another size only.
    """
    if run.is_file():
        raise UserError(f"{run}: a file, not the folder of a run", f"name {run.parent}, its folder")
    record = read_network_record(run)
    weights = RunFolder(run).weights(record.network)
    spec, origin = read_spec(weights), read_origin(weights)
    check_weights(weights, origin, record, record.network)
    if logits:
        _check_classes(run, record, origin, student)
    if isinstance(record, ImportedRecord):
        _check_own_normalisation(run, spec, student.dataset)
    elif not logits:
        _check_normalisation(run, record.dataset.name, student.dataset)
    if not resized and spec.size not in (None, student.size):
        raise UserError(
            f"{run}: this teacher takes images of {_pixels(spec.size)}, the student's are "
            f"{_pixels(student.size)}",
            "set data.height and data.width to the teacher's, name another teacher, or have it "
            "answer each batch: --set method.view=online",
        )
    return _of_run(record, weights, spec, origin)


def read_source(path: Path) -> Teacher:
    """Reads what a finished run, or a weights file, is as the source of some weights.

    Its classes, data and input size may be others: only layers are taken. Whether they fit is
    checked where they are copied.

    NOTE: a file that stands in no run's folder brings no cost with it: nothing tells it.

    Args:
        path: the run's folder, or a file that reid-srdl wrote, in a run's folder or elsewhere.

    Raises:
        UserError: no finished run and no such file, or weights of another run.
    """
    if not path.exists():
        raise UserError(
            f"{path}: no such run, and no such file of weights",
            "give the folder of a finished run, or a file of its folder weights/",
        )
    weights = path if path.is_file() else None
    run = path if weights is None else path.parent.parent
    if weights is None or (RunFolder(run).record.is_file() and path.parent.name == "weights"):
        record = read_network_record(run)
        weights = weights or RunFolder(run).weights(record.network)
        spec, origin = read_spec(weights), read_origin(weights)
        check_weights(weights, origin, record, weights.stem)
        return _of_run(record, weights, spec, origin)
    spec, origin = read_spec(weights), read_origin(weights)
    name, experiment = _named(origin, None)
    return Teacher(spec, weights, name, experiment, file_digest(weights), 0.0, NO_WORK)


def _of_run(record: NetworkRecord, weights: Path, spec: NetworkSpec, origin: Origin) -> Teacher:
    """Returns a run's network as a teacher.

    NOTE: an imported network brings no cost with it: nothing tells what others' training took.
    """
    name, experiment = _named(origin, record.network)
    cost, work = 0.0, NO_WORK
    if isinstance(record, RunRecord):
        cost, work = record.cost.trcost, record.true_work
    return Teacher(spec, weights, name, experiment, file_digest(weights), cost, work)


def _named(origin: Origin, result: str | None) -> tuple[str, str]:
    """Returns how a run's network is called, and its experiment; a result's as the run's own."""
    if origin.network == result:
        return origin.run, origin.experiment
    return f"{origin.run}:{origin.network}", f"{origin.experiment}:{origin.network}"


def _check_classes(run: Path, record: NetworkRecord, origin: Origin, student: Student) -> None:
    """Raises UserError where a teacher's logits are not of the student's classes.

    NOTE: of an imported network nobody knows the training images: names of classes must do.
    """
    if isinstance(record, ImportedRecord):
        if not origin.classes:
            raise UserError(
                f"{run}: this teacher was imported without the names of its classes",
                "import it again with --classes FILE, or take a method that reads no logits",
            )
        return check_classes(f"{run}: this teacher", origin.classes, "the student", student.classes)
    if record.dataset.name != student.dataset:
        raise UserError(
            f"{run}: this teacher was trained on {record.dataset.name}, not on the student's "
            f"{student.dataset}",
            "name a teacher that was trained on the same data set",
        )
    check_classes(f"{run}: this teacher", origin.classes, "the student", student.classes)
    content = record.dataset.content
    if record.dataset.task == "reid" and (content is None or content.train != student.content):
        raise UserError(
            f"{run}: this teacher was trained on other images than the student's: people of the "
            f"same number may be others",
            "name a teacher that was trained on the same data",
        )


def _check_normalisation(run: Path, dataset: str, student: str) -> None:
    """Raises UserError where the teacher's pixels were normalised otherwise than the student's."""
    if find_entry(dataset).normalisation != find_entry(student).normalisation:
        raise UserError(
            f"{run}: this teacher was trained on {dataset}, whose pixels are normalised otherwise "
            f"than those of {student}",
            "name a teacher that was trained on images of the same normalisation",
        )


def _check_own_normalisation(run: Path, spec: NetworkSpec, student: str) -> None:
    """Raises UserError where an imported teacher takes its pixels otherwise than the student."""
    theirs = find_entry(student).normalisation
    own = next((change for change in spec.changes if isinstance(change, Normalised)), None)
    if own is not None and (own.mean, own.std) != (theirs.mean, theirs.std):
        raise UserError(
            f"{run}: this teacher takes pixels normalised by a mean of {own.mean}, those of "
            f"{student} are by {theirs.mean}",
            "name a teacher that takes images of the same normalisation",
        )


def _pixels(size: tuple[int, int] | None) -> str:
    return " x ".join(map(str, size or ()))
