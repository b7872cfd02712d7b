"""Stages: named, found, handed over when asked for, and computed no further than asked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils.flop_counter import FlopCounterMode

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS
from reid_srdl.models.build import build
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.empty_pass import stage_shapes
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec

STAGES = frozenset({"stages"})
ALL = frozenset({"stages", "branches"})
SHAPES = {  # of 64x32 images
    "resnet8": {"group1": (16, 64, 32), "group2": (32, 32, 16), "group3": (64, 16, 8)},
    "resnet20": {"group1": (16, 64, 32), "group2": (32, 32, 16), "group3": (64, 16, 8)},
    "resnet32": {"group1": (16, 64, 32), "group2": (32, 32, 16), "group3": (64, 16, 8)},
    "resnet56": {"group1": (16, 64, 32), "group2": (32, 32, 16), "group3": (64, 16, 8)},
    "resnet110": {"group1": (16, 64, 32), "group2": (32, 32, 16), "group3": (64, 16, 8)},
    "wrn-28-10": {"group1": (160, 64, 32), "group2": (320, 32, 16), "group3": (640, 16, 8)},
    "densenet-bc-190-40": {
        "denseblock1": (1320, 64, 32),
        "denseblock2": (1900, 32, 16),
        "denseblock3": (2190, 16, 8),
    },
    "resnet50": {f"layer{i + 1}": (256 << i, 16 >> i, 8 >> i) for i in range(4)},
    "resnet18": {f"layer{i + 1}": (64 << i, 16 >> i, 8 >> i) for i in range(4)},
    "densenet121": {
        "denseblock1": (256, 16, 8),
        "denseblock2": (512, 8, 4),
        "denseblock3": (1024, 4, 2),
        "denseblock4": (1024, 2, 1),
    },
    "densenet201": {
        "denseblock1": (256, 16, 8),
        "denseblock2": (512, 8, 4),
        "denseblock3": (1792, 4, 2),
        "denseblock4": (1920, 2, 1),
    },
}
FOUND = {  # channels and the reduction of an image's sides
    "torchvision:resnet34": ["layer1 64 4", "layer2 128 8", "layer3 256 16", "layer4 512 32"],
    "torchvision:densenet121": [
        "denseblock1 256 4",
        "denseblock2 512 8",
        "denseblock3 1024 16",
        "denseblock4 1024 32",
    ],
    "torchvision:mobilenet_v2": [
        "stage1 16 2",
        "stage2 24 4",
        "stage3 32 8",
        "stage4 96 16",
        "stage5 1280 32",
    ],
    "torchvision:convnext_tiny": ["stage1 96 4", "stage2 192 8", "stage3 384 16", "stage4 768 32"],
    "torchvision:regnet_y_400mf": ["stage1 48 4", "stage2 104 8", "stage3 208 16", "stage4 440 32"],
    "torchvision:shufflenet_v2_x0_5": ["stage2 48 8", "stage3 96 16", "stage4 192 32"],
    "torchreid:resnet50_fc512": [
        "layer1 256 4",
        "layer2 512 8",
        "layer3 1024 16",
        "layer4 2048 16",
    ],
    "torchreid:osnet_x0_25": ["stage1 64 4", "stage2 96 8", "stage3 128 16"],
    "timm:resnet18": ["layer1 64 4", "layer2 128 8", "layer3 256 16", "layer4 512 32"],
    "timm:convnext_atto": ["stage1 40 4", "stage2 80 8", "stage3 160 16", "stage4 320 32"],
}


def images(size: tuple[int, int] = (32, 32)) -> torch.Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))


def flops(network: Network, *arguments: Any, **options: Any) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(*arguments, **options)
    return int(counter.get_total_flops())


def of_library(name: str, size: tuple[int, int] | None = None) -> Network:
    if name.startswith("timm:"):
        pytest.importorskip("timm", reason="timm is an extra")
    return build(NetworkSpec(name, 5, size), seed=0)


def test_the_table_of_stages_is_whole() -> None:
    own = {name for name, entry in MODELS.items() if not entry.module.startswith("tests.")}
    assert SHAPES.keys() | {"mlp-1200", "mlp-800"} == own  # whose stages test_perceptron shows


@pytest.mark.parametrize("name", SHAPES)
def test_stages_of_the_table(name: str) -> None:
    network = build(NetworkSpec(name, 5), seed=0)
    assert network.stages == tuple(SHAPES[name])
    network.trunk.eval()
    modes = [module.training for module in network.modules()]
    assert stage_shapes(network, (64, 32)) == SHAPES[name]
    assert [module.training for module in network.modules()] == modes
    assert all(not p.is_meta for p in network.parameters())


@pytest.mark.parametrize("name", FOUND)
def test_stages_are_found_in_libraries_networks(name: str) -> None:
    network = of_library(name)
    shapes = stage_shapes(network, (256, 128))
    told = [f"{stage} {c} {256 // h}" for stage, (c, h, w) in shapes.items() if 2 * w == h]
    assert told == FOUND[name]
    with torch.no_grad():
        stages = network.eval()(images((64, 64)), needs=STAGES).stages
    assert {s: tuple(m.shape[1:]) for s, m in stages.items()} == stage_shapes(network, (64, 64))


@pytest.mark.parametrize("name", ["torchvision:vgg11", "torchvision:vgg13_bn"])
def test_vggs_stages_end_before_their_pooling(name: str) -> None:
    with torch.device("meta"):  # their linear layers are large
        network = of_library(name)
    shapes = list(stage_shapes(network, (256, 128)).values())
    expected = [(64, 256, 128), (128, 128, 64), (256, 64, 32), (512, 32, 16), (512, 16, 8)]
    assert shapes == (expected[2:] if "11" in name else expected)


@pytest.mark.parametrize(
    "name",
    ["torchvision:vit_b_32", "torchvision:swin_t", "timm:swin_tiny_patch4_window7_224"],
)
def test_networks_without_stages_say_so(name: str) -> None:
    network = of_library(name, (64, 64))
    assert network.stages == ()
    assert network.eval()(images((64, 64))).stages == {}
    for options in ({"needs": STAGES}, {"until": "layer1"}):
        with pytest.raises(UserError, match="has no stages"):
            network(images((64, 64)), **options)
    with pytest.raises(UserError, match="it has no stages"):
        build(NetworkSpec(name, 5, (64, 64), changes=(Branches(),)), seed=0)


def test_nothing_is_kept_that_is_not_asked_for() -> None:
    network = build(NetworkSpec("resnet32", 5), seed=0).eval()
    plain, full = network(images()), network(images(), needs=STAGES)
    assert (plain.stages, plain.branches, full.branches) == ({}, {}, {})
    assert torch.equal(plain.logits, full.logits)
    assert plain.pooled is plain.features
    last = full.stages["group3"]
    assert torch.equal(last.mean(dim=(2, 3)), full.features)
    until = network(images(), until="group2")
    assert list(until.stages) == ["group2"]
    assert torch.equal(until.stages["group2"], full.stages["group2"])
    assert until.logits is until.features is until.pooled is None
    both = network(images(), needs=STAGES, until="group2")
    assert list(both.stages) == ["group1", "group2"]
    with pytest.raises(UserError, match="has no stage 'layer1'"):
        network(images(), until="layer1")
    with pytest.raises(UserError, match="has no branches"):
        network(images(), needs={"branches"})


@pytest.mark.parametrize("name", ["resnet18", "resnet32", "torchvision:mobilenet_v2"])
def test_what_comes_after_the_last_stage_asked_for_is_not_computed(name: str) -> None:
    network = of_library(name)
    counts = [flops(network, images(), until=stage) for stage in network.stages]
    assert counts == sorted(set(counts))
    assert counts[-1] <= flops(network, images())
    if name == "resnet18":  # 7x7 at 16x16; two blocks of two 3x3 convolutions at 8x8
        stem, block = 49 * 3 * 64 * 16 * 16, 4 * 9 * 64 * 64 * 8 * 8
        assert counts[0] == 2 * 2 * (stem + block)  # two images, two operations each


def test_a_pass_that_fails_leaves_nothing_behind() -> None:
    network = build(NetworkSpec("resnet32", 5), seed=0).eval()
    with pytest.raises(RuntimeError):
        network(images()[:, :2], needs=STAGES)
    assert network(images()).stages == {}


def test_a_copy_has_taps_of_its_own() -> None:
    network = build(NetworkSpec("resnet32", 5), seed=0).eval()
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.trunk.conv.weight.zero_()  # type: ignore[union-attr,operator]
        one, changed = (n(images(), needs=STAGES).stages for n in (network, other))
    assert one.keys() == changed.keys()
    assert not torch.equal(one["group1"], changed["group1"])


@pytest.mark.parametrize("name", ["resnet32", "resnet18"])
@pytest.mark.parametrize(
    ("needs", "until"),
    [(frozenset(), None), (ALL, None), (STAGES, 2), (frozenset(), 1)],
    ids=["plain", "all", "until-second", "until-first"],
)
def test_every_form_is_one_graph(name: str, needs: frozenset[str], until: int | None) -> None:
    network = build(NetworkSpec(name, 5, changes=(Branches(),)), seed=0).eval()
    end = None if until is None else network.stages[until - 1]
    torch.compiler.reset()
    counters.clear()
    compiled = torch.compile(network, fullgraph=True, dynamic=False, backend="aot_eager")
    with torch.no_grad():
        got = compiled(images(), needs=needs, until=end)
        wanted = network(images(), needs=needs, until=end)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    assert (got.logits is None) == (end is not None)
    pairs = [(got.stages[stage], maps) for stage, maps in wanted.stages.items()]
    pairs += [(got.branches[b].logits, out.logits) for b, out in wanted.branches.items()]
    pairs += [] if end else [(got.logits, wanted.logits)]
    assert got.stages.keys() == wanted.stages.keys()
    assert pairs
    assert all(torch.equal(one, other) for one, other in pairs)
    torch.compiler.reset()
