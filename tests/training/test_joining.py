"""What several processes do together, as far as one process can tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.group.processes import Alone
from reid_srdl.models.build import build
from reid_srdl.models.changes import BNNeck, Branches
from reid_srdl.models.network import Output
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training import checkpoint, synchronised
from reid_srdl.training.extraction import Extraction
from reid_srdl.training.joining import Joining
from reid_srdl.training.logit_table import LogitTable
from reid_srdl.training.synchronised import own_statistics
from tests.training import tiny


class Two(Alone):
    """Process 0 of two."""

    size = local_size = 2


class Second(Two):
    """Process 1 of two, to which process 0 always says the same."""

    rank = local_rank = 1

    def __init__(self, first: str) -> None:
        self.first = first

    def texts(self, own: str) -> list[str]:
        return [self.first, own]


def norms(network: nn.Module) -> dict[str, nn.Module]:
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
    return {name: one for name, one in network.named_modules() if isinstance(one, kinds)}


def test_one_process_joins_nothing() -> None:
    alone, logits = Joining(), torch.ones(2, 3, requires_grad=True)
    outputs = {"one": Output(logits, logits, logits)}
    assert alone.whole(outputs) is outputs
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    alone.gradients([weight], [])
    assert torch.equal(weight.grad, torch.ones(3))
    assert alone.any(True)
    assert alone.decided(lambda: 0.1) == 0.1
    assert alone.part == (0, 1)


def test_wishes_are_asked_for_when_they_count() -> None:
    wishes = [(False, True), (True, False)]
    alone = Joining(wish=lambda: wishes.pop(0))
    assert alone.agreed() == (False, True)
    assert alone.agreed() == (True, False)


def test_batch_norm_on_cuda_is_synchronised_while_a_phase_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build(NetworkSpec("staged", 3, tiny.SIZE, changes=(BNNeck(), Branches())), seed=0)
    before, values = norms(network), dict(network.named_parameters())
    assert len(before) > 4
    with Joining(Two()).synchronised({"one": network}):
        assert norms(network) == before  # on CPU there is nothing that could be synchronised
    monkeypatch.setattr(synchronised, "_on_cuda", lambda norm: True)
    with Joining(Two()).synchronised({"one": network}):
        now = norms(network)
        assert now.keys() == before.keys()
        assert all(isinstance(one, nn.SyncBatchNorm) for one in now.values())
        named = dict(network.named_parameters())
        assert all(named[name] is value for name, value in values.items())
        for name, one in now.items():
            assert one.running_mean is before[name].running_mean
    assert norms(network) == before
    with Joining().synchronised({"one": network}):
        assert norms(network) == before


def test_own_statistics_are_those_of_batch_norm_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(NetworkSpec("staged", 3, tiny.SIZE), seed=0)
    assert own_statistics([network])
    assert not own_statistics([nn.GroupNorm(2, 4)])
    monkeypatch.setattr(synchronised, "_on_cuda", lambda norm: True)
    assert not own_statistics([network])


def test_knowledge_is_read_as_process_0_has_written_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = tiny.trainer(tmp_path)
    model = one.fit(one.new_model(), epochs=1, loss=one.supervised, name="first")
    expected = tiny.table(one, one.extract(model))
    loop, phase = one._loop, one.phases[-1]
    saved = checkpoint.load(phase, loop.folder, print)
    assert saved is not None
    second = Second(json.dumps(saved.facts["blocks"]))

    def read() -> torch.Tensor:
        theirs = replace(loop, group=second)
        images = tiny.training_set()
        table = Extraction(theirs, phase, model.network, False, images, 10).run()
        return table[torch.arange(len(images))].float()

    # Another machine's older map of the file, which shows nothing of what was written since.
    path = Path(f"{phase.stem(loop.folder)}.npy")
    older = LogitTable.create(tmp_path / "older.npy", tuple(expected.shape))
    opened = [older, LogitTable(path)]
    with monkeypatch.context() as patch:
        patch.setattr(LogitTable, "matching", lambda path, shape: opened.pop(0))
        assert torch.equal(read(), expected)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="process 1 reads other knowledge than process 0 has"):
        read()


def test_a_phase_remembers_how_many_trained_it(tmp_path: Path) -> None:
    one = tiny.trainer(tmp_path)
    one.fit(one.new_model(), epochs=1, loss=one.supervised, name="first")
    (phase,) = one.phases
    assert (phase.processes, phase.norm_parts) == ({1}, {1})
    again = tiny.trainer(tmp_path)
    again.fit(again.new_model(), epochs=1, loss=again.supervised, name="first")
    assert (again.phases[0].processes, again.phases[0].norm_parts) == ({1}, {1})
