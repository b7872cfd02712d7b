"""A finished run as a teacher: what is checked and kept of it, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.files import file_digest
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.spec_files import read_spec
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


def read_teacher(
    run: Path, *, classes: int, size: tuple[int, int], dataset: str | None = None
) -> Teacher:
    """Reads what a finished run is as a teacher.

    Args:
        run: the run's folder.
        classes: C of the student; a teacher's logits must be as many.
        size: (height, width) of the student's images in pixels.
        dataset: the student's data set; None: any.

    Raises:
        UserError: no finished run, no weights in it, or one that was trained on another data set,
            on another number of classes, or takes images of another size only.
    """
    record = read_record(run)
    if dataset is not None and record.dataset.name != dataset:
        raise UserError(
            f"{run}: this teacher was trained on {record.dataset.name}, not on the student's "
            f"{dataset}",
            "name a teacher that was trained on the same data set",
        )
    weights = RunFolder(run).weights(record.network)
    spec = read_spec(weights)
    if spec.classes != classes:
        raise UserError(
            f"{run}: this teacher tells {spec.classes:,} classes apart, the student {classes:,}",
            "name a teacher that was trained on the same classes",
        )
    if spec.size not in (None, size):
        raise UserError(
            f"{run}: this teacher takes images of {_pixels(spec.size)}, the student's are "
            f"{_pixels(size)}",
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
