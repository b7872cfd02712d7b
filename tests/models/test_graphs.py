"""Networks as graphs: a file answers what the network answers, for batches of any length."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from reid_srdl.data.augment import normalise
from reid_srdl.data.normalisation import CIFAR100, IMAGENET, Normalisation
from reid_srdl.errors import UserError
from reid_srdl.models import MODELS, ModelEntry
from reid_srdl.models.build import build
from reid_srdl.models.changes import BNNeck, Change, GeM
from reid_srdl.models.graphs.comparing import largest_difference, relative_difference
from reid_srdl.models.graphs.running import open_onnx
from reid_srdl.models.graphs.standalone import Answer, Standalone
from reid_srdl.models.graphs.writing import WRITERS, check_suffix, read_program, traced
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.wide_resnet import wide_resnet
from tests.training import tiny_nets


def wrn_10_1(classes: int) -> Network:
    return wide_resnet(classes, 10, 1)


tiny_nets.add_rows()
PERSON, SMALL = (32, 16), (32, 32)
NECKED = (GeM(), BNNeck())
CASES: tuple[tuple[str, tuple[int, int], tuple[Change, ...], Normalisation, Answer], ...] = (
    ("resnet18", PERSON, (), IMAGENET, "features"),
    ("torchreid:osnet_x0_25", (64, 32), (), IMAGENET, "features"),
    ("staged", PERSON, NECKED, IMAGENET, "features"),
    ("wrn-10-1", SMALL, (), CIFAR100, "logits"),
)


def trained(spec: NetworkSpec) -> Network:
    """Returns a network whose norms have seen something, in channels-last memory as trained."""
    network = build(spec, seed=3)
    draw = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=draw)
            module.running_var.uniform_(0.5, 2, generator=draw)
            module.num_batches_tracked.fill_(9)  # type: ignore[operator]
    return network.to(memory_format=torch.channels_last).eval()


@pytest.mark.parametrize(
    ("name", "size", "changes", "by", "answer"), CASES, ids=[case[0] for case in CASES]
)
def test_a_written_graph_answers_as_the_network(
    name: str,
    size: tuple[int, int],
    changes: tuple[Change, ...],
    by: Normalisation,
    answer: Answer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MODELS, "wrn-10-1", ModelEntry("wrn_10_1", "for tests", module=__name__))
    network = trained(NetworkSpec(name, 7, size, changes=changes))
    draw = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 256, (12, 3, *size), dtype=torch.uint8, generator=draw)
    with torch.no_grad():
        wanted = getattr(network(normalise(pixels, by)), answer).clone()
    program = traced(Standalone(network, by.mean, by.std, answer), size)
    for suffix, write in WRITERS.items():
        write(program, answer, tmp_path / f"m{suffix}")
    graph = open_onnx(tmp_path / "m.onnx")
    assert (graph.channels, graph.size, graph.batch) == (3, size, None)
    runs = (
        lambda x: torch.from_numpy(graph.run(x.contiguous().numpy())),
        read_program(tmp_path / "m.pt2"),
    )
    for run in runs:
        difference, _ = largest_difference(run, pixels.float() / 255, wanted)
        assert difference < 1e-4
        assert largest_difference(run, pixels.float() / 254, wanted)[0] > 1e-4


def test_a_grey_network_takes_one_channel(tmp_path: Path) -> None:
    network = trained(NetworkSpec("staged", 5, PERSON, channels=1))
    pixels = torch.rand(9, 1, *PERSON, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = network((pixels - 0.13) / 0.31).features.clone()
    program = traced(Standalone(network, (0.13,), (0.31,), "features"), PERSON)
    WRITERS[".onnx"](program, "features", tmp_path / "m.onnx")
    graph = open_onnx(tmp_path / "m.onnx")
    assert graph.channels == 1
    assert relative_difference(torch.from_numpy(graph.run(pixels.numpy())), wanted) < 1e-5


def test_differences_are_relative_to_the_largest_value_of_a_row() -> None:
    reference = torch.tensor([[1.0, 100.0], [0.0, 0.0]])
    assert relative_difference(torch.tensor([[1.5, 100.0], [0.0, 0.0]]), reference) == 0.005
    assert math.isinf(relative_difference(torch.tensor([[1.0, 100.0], [1e-9, 0.0]]), reference))
    assert math.isinf(relative_difference(torch.tensor([[math.nan, 1.0], [0, 0]]), reference))
    assert math.isinf(relative_difference(torch.zeros(1, 2), reference))


def test_what_cannot_be_traced_is_told(tmp_path: Path) -> None:
    class Deciding(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.sum() > 0 else -images

    network = Network(Deciding(), nn.Linear(3, 5))
    with pytest.raises(UserError, match=r"cannot be written as a graph: torch\.export says"):
        traced(Standalone(network, (0.0,) * 3, (1.0,) * 3, "features"), PERSON)


def test_without_the_extra_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'reid-srdl\[onnx\]'"):
        check_suffix(Path("m.onnx"))
    check_suffix(Path("m.pt2"))  # needs torch alone
