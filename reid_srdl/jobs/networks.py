"""Networks of finished runs, where they compute, and whether data are what they know."""

from __future__ import annotations

from pathlib import Path

from reid_srdl.errors import UserError
from reid_srdl.models import ONNX
from reid_srdl.models.graphs.running import check_device, runs_on_cuda
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import load_network
from reid_srdl.records.belonging import origin_of
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import NetworkRecord
from reid_srdl.tasks.task import Task
from reid_srdl.training.precision import Compute, choose


def network_of(folder: RunFolder, record: NetworkRecord, name: str) -> Network:
    """Loads a network that a run's method returned, having seen that it is the run's.

    Raises:
        UserError: its file is missing, damaged, or of another run.
    """
    network = load_network(folder.weights(name))
    origin_of(folder, record, name)
    return network


def choose_for(
    spec: NetworkSpec, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> Compute:
    """Chooses where a network computes; see `training.precision.choose`.

    An ONNX file is run by ONNX Runtime, which may have no CUDA where torch has it: ``auto`` is the
    CPU then.

    Raises:
        UserError: the device does not exist here, or ONNX Runtime cannot use it.
    """
    if spec.name != ONNX:
        return choose(device, precision, threads)
    if device == "auto" and not runs_on_cuda():
        device = "cpu"
    compute = choose(device, precision, threads)
    check_device(compute.device.type)
    return compute


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
