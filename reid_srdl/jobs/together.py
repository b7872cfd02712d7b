"""What must be so before several processes train one run together."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterable, Mapping

from reid_srdl.config import AnyConfig, fingerprint
from reid_srdl.errors import UserError
from reid_srdl.group.processes import Group
from reid_srdl.machine import available_cores, code_digest, named_threads, packages
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.trained_on import TrainedOn
from reid_srdl.training.precision import Compute

_SEEN_AFTER = 60.0  # seconds in which a network's disk shows to all what one has written
_POLL = 0.5


def check_shareable(config: AnyConfig, group: Group) -> None:
    """Checks that so many processes can share each batch.

    Raises:
        UserError: they cannot divide it, or nothing of what is asked can be shared.
    """
    size = group.size
    if size == 1:
        return
    if config.train.compile:
        raise UserError(
            f"train.compile: not with {size} processes: answers are gathered in the middle of what "
            "is compiled",
            "leave train.compile off, or train in one process",
            usage=True,
        )
    drawn, batch = config.sampler, config.optim.batch_size
    if drawn.identities is not None and drawn.identities % size:
        raise UserError(
            f"sampler.identities: {size} processes cannot share {drawn.identities} identities of "
            "each batch alike",
            "start another number of processes, or add "
            f"--set sampler.identities={_next(drawn.identities, size)}",
            usage=True,
        )
    if batch % size:
        raise UserError(
            f"optim.batch_size: {size} processes cannot share {batch} images alike",
            f"start another number of processes, or add --batch-size {_next(batch, size)}",
            usage=True,
        )


def told_of_statistics(
    specs: Iterable[NetworkSpec], compute: Compute, batch: int, group: Group
) -> str | None:
    """Returns a line where batch norms see a part of each batch alone; None: no result changes.

    Args:
        specs: the networks that are trained.
        compute: on CUDA the statistics are those of the whole batch.
        batch: its images.
        group: the processes that share it.
    """
    import torch

    from reid_srdl.models.build import build
    from reid_srdl.training.synchronised import own_statistics

    if group.size == 1 or compute.device.type == "cuda":
        return None
    with torch.device("meta"):
        if not own_statistics(build(spec, seed=0) for spec in specs):
            return None
    return (
        f"batch norm on CPU takes the statistics of each process's {batch // group.size} images, "
        f"not of all {batch}: the result is that of another experiment, and its record says so"
    )


def _next(count: int, size: int) -> int:
    return -(-count // size) * size


def own_compute(compute: Compute, asked: int | None, group: Group) -> Compute:
    """Returns where one of several processes computes: a CUDA device and cores of its own.

    Args:
        compute: where one process would.
        asked: threads that somebody named.
        group: all of them.

    Raises:
        UserError: its machine has fewer CUDA devices than processes.
    """
    if group.size == 1:
        return compute
    import torch

    share = max(1, available_cores() // group.local_size)
    threads = asked or named_threads() or share
    device = torch.device(group.device(compute.device.type))
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"train.device: {group.local_size} processes on {socket.gethostname()}, which has "
            f"{torch.cuda.device_count()} CUDA devices",
            f"--nproc-per-node {torch.cuda.device_count()}, or --device cpu",
            usage=True,
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return Compute(device, compute.precision, threads, compute.compile)


def check_alike(group: Group, known: Mapping[str, str]) -> None:
    """Checks that all processes know the same as process 0.

    Args:
        group: all of them.
        known: digests, by what they are of.

    Raises:
        UserError: this process knows something else.
    """
    first = json.loads(group.texts(json.dumps(dict(known)))[0])
    for what, own in known.items():
        if own != first[what]:
            raise UserError(
                f"process {group.rank} on {socket.gethostname()} has another {what} than process 0 "
                f"on {group.writer} ({own[:12]}, not {first[what][:12]})",
                "start the same command with the same code and data, on machines that are alike",
            )


def code_and_configuration(config: AnyConfig) -> dict[str, str]:
    """Returns what tells the code that runs here, and what it is to do, from any other."""
    versions = json.dumps(packages(), sort_keys=True).encode()
    return {
        "code": code_digest(),
        "set of packages": hashlib.blake2b(versions, digest_size=16).hexdigest(),
        "configuration": fingerprint(config),
        "precision": config.train.precision,
        "kind of device": config.train.device.partition(":")[0],
        "eval.enabled": str(config.eval.enabled),
        "run's name": str(config.run.name),
    }


def data_digest(known: TrainedOn) -> str:
    """Returns a digest of what a run is trained on, wherever it stands."""
    text = known.model_copy(update={"folder": ""}).model_dump_json()
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_seen(folder: RunFolder, group: Group) -> None:
    """Checks that all processes see the run's folder, which process 0 has begun.

    Raises:
        UserError: this one sees none, or another.
    """
    if group.size == 1:
        return
    first = group.texts(_content(folder) if group.rank == 0 else "")[0]
    until = time.monotonic() + _SEEN_AFTER
    while _content(folder) != first:
        if time.monotonic() >= until:
            raise UserError(
                f"{folder.path}: process {group.rank} on {socket.gethostname()} does not see this "
                f"folder, which process 0 on {group.writer} writes to",
                "name a folder of runs that all machines see: --runs DIR",
            )
        time.sleep(_POLL)
    group.meet()


def _content(folder: RunFolder) -> str:
    return folder.trained_on.read_bytes().hex() if folder.trained_on.is_file() else ""
