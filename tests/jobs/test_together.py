"""What is refused before several processes train together, each with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone, Group
from reid_srdl.jobs import together
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.together import (
    check_alike,
    check_seen,
    check_shareable,
    code_and_configuration,
    own_compute,
    told_of_statistics,
)
from reid_srdl.models.changes import GroupNorm
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.records.folder import RunFolder
from reid_srdl.training.precision import Compute, choose


class Second(Alone):
    """Process 1 of several, and what process 0 says."""

    def __init__(self, size: int = 2, first: str = "") -> None:
        self.rank, self.size = 1, size
        self.local_rank, self.local_size = 1, size
        self.writer = "there"
        self.first = first

    def texts(self, own: str) -> list[str]:
        return [self.first, own]

    def device(self, name: str) -> str:
        return f"{name}:1" if name == "cuda" else name


def told(tree: dict[str, Any], group: Group) -> str:
    with pytest.raises(UserError) as error:
        check_shareable(experiment(tree), group)
    return f"{error.value.what} | {error.value.hint}"


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    batch = {"optim": {"batch_size": 64}}
    check_shareable(experiment(batch), Second(4))
    check_shareable(experiment(batch), Alone())
    refused = told(batch, Second(3))
    assert "optim.batch_size: 3 processes cannot share 64 images" in refused
    assert "--batch-size 66" in refused
    pairs = {"sampler": {"identities": 9, "images": 4}}
    check_shareable(experiment(pairs), Second(3))
    refused = told(pairs, Second(4))  # which would divide the 36 images
    assert "sampler.identities: 4 processes cannot share 9 identities" in refused
    assert "sampler.identities=12" in refused
    assert "train.compile" in told({"train": {"compile": True}}, Second(2))


def test_unlike_processes_are_refused() -> None:
    one, other = (experiment({"optim": {"lr": lr}}) for lr in (0.1, 0.2))
    first = json.dumps(code_and_configuration(one))
    check_alike(Second(first=first), code_and_configuration(one))
    with pytest.raises(UserError, match=r"process 1 on .* another configuration than process 0"):
        check_alike(Second(first=first), code_and_configuration(other))
    changed = json.dumps({**code_and_configuration(one), "code": "0"})
    with pytest.raises(UserError, match="another code than process 0 on there"):
        check_alike(Second(first=changed), code_and_configuration(one))
    first, second = (
        code_and_configuration(experiment({"train": {"device": name, "precision": "fp32"}}))
        for name in ("cuda:0", "cpu")
    )
    with pytest.raises(UserError, match=r"another kind of device than .* \(cpu, not cuda\)"):
        check_alike(Second(first=json.dumps(first)), second)
    unjudged = code_and_configuration(
        experiment({"optim": {"lr": 0.1}, "eval": {"enabled": False}})
    )
    told = json.dumps(code_and_configuration(one))
    with pytest.raises(UserError, match=r"another eval\.enabled than .* \(False, not True\)"):
        check_alike(Second(first=told), unjudged)


def test_a_folder_that_is_not_seen_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "_SEEN_AFTER", 0.0)
    folder = RunFolder(tmp_path / "r")
    check_seen(folder, Alone())
    with pytest.raises(UserError, match=r"process 1 on .* does not see this folder, which process"):
        check_seen(folder, Second(first=b"{}".hex()))
    folder.path.mkdir()
    folder.trained_on.write_text("{}")
    check_seen(folder, Second(first=b"{}".hex()))
    with pytest.raises(UserError, match="does not see this folder"):
        check_seen(folder, Second(first=b"{1}".hex()))


def test_each_process_has_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    cpu = choose("cpu", "fp32", 8)
    assert own_compute(cpu, None, Alone()) == cpu
    assert own_compute(cpu, None, Second()).threads == 3
    assert own_compute(cpu, 2, Second()).threads == 2
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"2 processes on .* has 1 CUDA devices"):
        own_compute(Compute(torch.device("cuda"), "fp32", 8), None, Second())


def test_statistics_of_a_part_of_the_batch_are_told() -> None:
    plain = NetworkSpec("resnet8", 6, (32, 16))
    grouped = NetworkSpec("resnet8", 6, (32, 16), changes=(GroupNorm(2),))
    cpu = choose("cpu", "fp32", 1)
    line = told_of_statistics([grouped, plain], cpu, 12, Second(3))
    assert line is not None
    assert "each process's 4 images, not of all 12" in line
    assert told_of_statistics([grouped], cpu, 12, Second(3)) is None
    assert told_of_statistics([plain], cpu, 12, Alone()) is None
    assert (
        told_of_statistics([plain], Compute(torch.device("cuda"), "fp32", 1), 12, Second()) is None
    )
