"""Changes of networks: each builds, learns, comes back from its file, and does what it says."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.analysis.work import WorkCounter
from reid_srdl.config.schema import ModelConfig
from reid_srdl.errors import UserError
from reid_srdl.models import MODELS
from reid_srdl.models.build import build, check_network
from reid_srdl.models.changes import (
    CHANGES,
    IBN,
    BNNeck,
    Bottleneck,
    Branches,
    Change,
    Dropout,
    GeM,
    GroupNorm,
    LastStride,
    Part,
)
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.empty_pass import stage_shapes
from reid_srdl.models.gem import EPSILON, GeMPooling
from reid_srdl.models.ibn import InstanceBatchNorm
from reid_srdl.models.network import Network
from reid_srdl.models.part import part
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.stage_names import stage_names
from reid_srdl.models.weights import load_network, save_network
from tests.training import tiny_nets

PERCEPTRONS = ("mlp-1200", "mlp-800")  # they have no maps
TINY = ("tiny", "wide", "staged", "dropping")
NAMES = [name for name in MODELS if name not in (*TINY, *PERCEPTRONS)]
SMALL = (
    "resnet8",
    "resnet20",
    "resnet32",
    "resnet56",
    "resnet110",
    "wrn-28-10",
    "densenet-bc-190-40",
)  # for small images
ALL: tuple[Change, ...] = (IBN(), LastStride(), GeM(), Bottleneck(24), BNNeck(), Dropout(0.5))
EACH: tuple[Change, ...] = (GroupNorm(), *ALL)
BRANCHES = frozenset({"branches"})
tiny_nets.add_rows()


def size_for(name: str) -> tuple[int, int]:
    return (16, 16) if name in SMALL else (64, 32)


def made(name: str, *changes: Change, meta: bool = False) -> Network:
    spec = NetworkSpec(name, 5, size_for(name), changes=changes)
    with torch.device("meta" if meta else "cpu"):
        return build(spec, seed=0)


def images(size: tuple[int, int], device: str = "cpu", count: int = 4) -> Tensor:
    drawn = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(0))
    return drawn.to(device)


@pytest.mark.parametrize("change", EACH, ids=lambda change: change.name)
@pytest.mark.parametrize("name", NAMES)
def test_every_network_takes_every_change_and_learns(name: str, change: Change) -> None:
    network = made(name, change, meta=True)
    output = network.train()(images(size_for(name), "meta", 2))
    assert output.logits.shape == (2, 5)
    assert output.features.shape == (2, network.feature_dim)
    output.logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.stages == stage_names(network.spec) == stage_names(NetworkSpec(name, 5))


@pytest.mark.parametrize("change", EACH, ids=lambda change: change.name)
def test_a_perceptron_takes_what_needs_no_maps(change: Change) -> None:
    if isinstance(change, GroupNorm | IBN | LastStride):
        with pytest.raises(UserError, match="mlp-800 cannot have"):
            made("mlp-800", change, meta=True)
    else:
        output = made("mlp-800", change, meta=True).train()(images((64, 32), "meta", 2))
        assert output.logits.shape == (2, 5)


@pytest.mark.parametrize("name", ["resnet32", "resnet18", "densenet121"])
def test_all_changes_at_once_learn_and_come_back_from_a_file(name: str, tmp_path: Path) -> None:
    network = made(name, *ALL).train()
    shown = images(size_for(name))
    output = network(shown)
    (output.logits.logsumexp(1).sum() + output.pooled.square().sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in network.parameters())
    save_network(tmp_path / "w", network)
    loaded = load_network(tmp_path / "w")
    assert loaded.spec == network.spec
    with torch.no_grad():
        one, other = (net.eval()(shown) for net in (network, loaded))
    assert torch.allclose(one.logits, other.logits, atol=1e-5)
    assert torch.allclose(one.features, other.features, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet32", "resnet18", "densenet121"])
def test_a_change_leaves_the_trunks_draws_as_they_are(name: str) -> None:
    plain = made(name).state_dict()
    for change in EACH:
        state = made(name, change).state_dict()
        kept = plain.keys() & state.keys()
        if isinstance(change, BNNeck | Bottleneck):  # a new classifier
            kept -= {"classifier.weight", "classifier.bias"}
        assert all(torch.equal(state[key], plain[key]) for key in kept), change
        if not isinstance(change, IBN | BNNeck | Bottleneck):
            assert state.keys() - plain.keys() == ({"pooling.p"} if change == GeM() else set())


@pytest.mark.parametrize("change", EACH, ids=lambda change: change.name)
def test_every_change_changes_what_is_answered(change: Change) -> None:
    torch.manual_seed(0)
    plain, changed = (
        net.train()(images((16, 16))) for net in (made("resnet32"), made("resnet32", change))
    )
    assert not torch.equal(plain.logits, changed.logits)


# What each one is


def test_bnneck_normalises_between_what_is_compared_and_what_is_classified() -> None:
    network = made("resnet32", BNNeck()).train()
    assert network.classifier.bias is None
    assert [key for key in network.state_dict() if key.startswith("neck.")] == [
        "neck.weight",
        "neck.running_mean",
        "neck.running_var",
        "neck.num_batches_tracked",
    ]
    plain = made("resnet32").train()
    output, before = network(images((16, 16))), plain(images((16, 16))).features
    assert torch.equal(output.pooled, before)
    expected = (before - before.mean(0)) / (before.var(0, correction=0) + 1e-5).sqrt()
    assert torch.allclose(output.features, expected, atol=1e-4)
    assert torch.allclose(output.logits, output.features @ network.classifier.weight.T, atol=1e-6)
    assert network.classifier.weight.std().item() == pytest.approx(0.001, rel=0.2)
    with torch.no_grad():
        answered = network.eval()(images((16, 16)))
    neck = network.neck
    assert isinstance(neck, nn.BatchNorm1d)
    assert torch.allclose(
        answered.features,
        F.batch_norm(answered.pooled, neck.running_mean, neck.running_var),
        atol=1e-5,
    )


def test_a_bottleneck_makes_short_features() -> None:
    network = made("resnet32", Bottleneck(24)).train()
    output = network(images((16, 16)))
    assert network.feature_dim == 24
    assert output.pooled is output.features
    linear, norm = network.bottleneck
    before = made("resnet32").train()(images((16, 16))).features
    linear_out = before @ linear.weight.T
    expected = (linear_out - linear_out.mean(0)) / (linear_out.var(0, correction=0) + 1e-5).sqrt()
    assert torch.allclose(output.features, expected * norm.weight, atol=1e-3)
    assert linear.weight.std().item() == pytest.approx((2 / 24) ** 0.5, rel=0.1)


def test_dropout_hides_features_from_the_classifier_alone() -> None:
    network = made("resnet32", Dropout(0.5)).train()
    seen: list[Tensor] = []
    network.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    output = network(images((16, 16)))
    hidden = (seen[0] == 0) & (output.features != 0)
    assert 0.3 < hidden.float().mean() < 0.7
    assert torch.allclose(seen[0][~hidden], 2 * output.features[~hidden])
    network.eval()(images((16, 16)))
    assert torch.equal(seen[1], network(images((16, 16))).features)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_stride_doubles_the_last_maps(name: str) -> None:
    size = (64, 64)
    before = stage_shapes(made(name, meta=True), size)
    after = stage_shapes(made(name, LastStride(), meta=True), size)
    *early, last = before
    assert {stage: after[stage] for stage in early} == {stage: before[stage] for stage in early}
    channels, height, width = before[last]
    assert after[last] == (channels, 2 * height, 2 * width)


def test_gem_is_its_formula() -> None:
    maps = torch.rand(3, 7, 4, 2, dtype=torch.float32, generator=torch.Generator().manual_seed(1))
    pooling = GeMPooling(3.0)
    expected = maps.double().clamp(min=EPSILON).pow(3).mean(dim=(2, 3)).pow(1 / 3)
    assert torch.allclose(pooling(maps).double(), expected, atol=1e-6)
    assert torch.allclose(GeMPooling(1.0)(maps), maps.mean(dim=(2, 3)), atol=1e-6)
    assert torch.allclose(GeMPooling(500.0)(maps), maps.amax(dim=(2, 3)), atol=1e-2)
    pooling(maps).sum().backward()
    p = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    maps.double().clamp(min=EPSILON).pow(p).mean(dim=(2, 3)).pow(1 / p).sum().backward()
    assert pooling.p.grad is not None
    assert p.grad is not None
    assert pooling.p.grad.item() == pytest.approx(p.grad.item(), rel=1e-4)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("p", [1.0, 3.0, 30.0])
@pytest.mark.parametrize("value", [0.0, 1e-7, 1.0, 60000.0])
def test_gem_is_finite_at_small_and_large_maps(kind: torch.dtype, p: float, value: float) -> None:
    maps = torch.full((2, 3, 4, 2), value, dtype=kind, requires_grad=True)
    pooling = GeMPooling(p)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
        pooled = pooling(maps)
    pooled.sum().backward()
    assert pooled.dtype == torch.float32
    assert pooled.detach().max().item() == pytest.approx(
        max(float(maps.detach()[0, 0, 0, 0]), EPSILON), rel=1e-4
    )
    for gradient in (maps.grad, pooling.p.grad):
        assert gradient is not None
        assert torch.isfinite(gradient).all()


def plain_ibn(x: Tensor, norm: nn.BatchNorm2d, instances: slice) -> Tensor:
    """The same by hand: batch statistics for all channels, then the instances' own for some."""

    def normalised(dims: tuple[int, ...]) -> Tensor:
        mean = x.mean(dims, keepdim=True)
        variance = x.var(dims, correction=0, keepdim=True)
        return (x - mean) / (variance + norm.eps).sqrt()

    y = normalised((0, 2, 3))
    y[:, instances] = normalised((2, 3))[:, instances]
    return y * norm.weight[None, :, None, None] + norm.bias[None, :, None, None]


@pytest.mark.parametrize(("first", "count"), [(True, 3), (False, 2)])
def test_ibn_is_a_plain_one(first: bool, count: int) -> None:
    generator = torch.Generator().manual_seed(2)
    norm = nn.BatchNorm2d(6)
    for tensor in (norm.weight, norm.bias):
        nn.init.normal_(tensor, 1.0, 0.3, generator=generator)
    x = torch.randn(4, 6, 5, 3, generator=generator)
    layer = InstanceBatchNorm(copy.deepcopy(norm), count, first=first)
    instances = slice(count) if first else slice(6 - count, None)
    assert torch.allclose(layer(x), plain_ibn(x, norm, instances), atol=1e-5)
    norm(x)  # updates its statistics, as the layer did for its own channels
    batch = slice(count, None) if first else slice(6 - count)
    assert torch.allclose(layer.BN.running_mean, norm.running_mean[batch], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("resnet18", [f"layer{stage}.{block}.bn1" for stage in (1, 2, 3) for block in (0, 1)]),
        ("resnet32", [f"group{stage}.{block}.bn1" for stage in (1, 2) for block in range(5)]),
        (
            "densenet121",
            [
                f"features.denseblock{block}.denselayer{layer}.norm1"
                for block, layers in ((1, 6), (2, 12), (3, 24))
                for layer in range(1, layers + 1, 3)
            ],
        ),
    ],
)
def test_ibn_stands_where_its_authors_put_it(name: str, places: list[str]) -> None:
    network = made(name, IBN(), meta=True)
    found = {p: m for p, m in network.trunk.named_modules() if isinstance(m, InstanceBatchNorm)}
    assert list(found) == places
    for path, layer in found.items():
        of_instances, of_batch = layer.IN.num_features, layer.BN.num_features
        if name == "densenet121":
            assert of_batch == int(0.6 * (of_batch + of_instances)), path
            assert not layer.first
        else:
            assert of_batch == of_instances
            assert layer.first


def test_ibn_keeps_what_was_learned() -> None:
    plain, changed = made("resnet18"), None
    norm = plain.trunk.layer1[0].bn1  # type: ignore[index,union-attr]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.running_mean)
    changed = InstanceBatchNorm(norm, 32, first=True)
    assert torch.equal(torch.cat((changed.IN.weight, changed.BN.weight)), norm.weight)
    assert torch.equal(changed.BN.running_mean, norm.running_mean[32:])


def test_all_changes_at_once_make_one_whole_graph() -> None:
    network = made("resnet18", *(c for c in ALL if not isinstance(c, Dropout)), Branches()).train()
    plain = copy.deepcopy(network)
    torch.compiler.reset()
    compiled = torch.compile(network, fullgraph=True, dynamic=False, backend="aot_eager")
    one, other = (net(images((64, 32)), BRANCHES) for net in (compiled, plain))
    for output in (one, other):
        answers = (output, *output.branches.values())
        sum(answer.logits.square().sum() for answer in answers).backward()
    assert torch.allclose(one.logits, other.logits, atol=1e-5)
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


# What they cost


def macs(network: Network, size: tuple[int, int]) -> int:
    with WorkCounter() as work:
        network.eval()(images(size, "meta", 1))
    return work.forward_macs


def test_their_work_is_counted() -> None:
    size = (64, 32)
    plain = macs(made("resnet18", meta=True), size)
    assert (
        macs(made("resnet18", Bottleneck(24), meta=True), size) == plain + 512 * 24 - (512 - 24) * 5
    )
    assert macs(made("resnet18", BNNeck(), meta=True), size) == plain
    # layer4 at 4 x 2 in place of 2 x 1: four products where one was
    layer4 = 512 * (256 * 9 + 3 * 512 * 9 + 256) * (2 * 1)
    assert macs(made("resnet18", LastStride(), meta=True), size) == plain + 3 * layer4


# Together with branches


def test_branches_end_as_their_network_does(tmp_path: Path) -> None:
    ends = (LastStride(), GeM(), Bottleneck(24), BNNeck(), Dropout(0.5))
    network = made("resnet32", *ends, Branches()).eval()
    with torch.no_grad():
        output = network(images((16, 16)), needs=BRANCHES)
    for name, answer in output.branches.items():
        branch = network.branches[name]
        assert isinstance(branch.pooling, GeMPooling)
        assert branch.pooling is not network.pooling
        assert branch.classifier.bias is None
        assert answer.features.shape == output.features.shape == (4, 24)
        assert not torch.equal(answer.pooled, answer.features)
    strides = [layers[3].stride for layers in network.branches["branch1"].layers]
    assert strides == [(2, 2), (1, 1)]  # the last stage keeps the size
    alone = part(network, "branch1")
    save_network(tmp_path / "w", alone)
    loaded = load_network(tmp_path / "w").eval()
    whole = output.branches["branch1"]
    for got in (alone(images((16, 16))), loaded(images((16, 16)))):
        assert torch.allclose(got.logits, whole.logits, atol=1e-5)
        assert torch.allclose(got.pooled, whole.pooled, atol=1e-5)
    trunk = part(network, "trunk")
    assert trunk.spec.changes == ends
    assert build(trunk.spec, seed=1).state_dict().keys() == trunk.state_dict().keys()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ((Branches(), BNNeck()), "resnet32 cannot have bnneck: changes come before branches"),
        ((Branches(), Part("branch1"), IBN()), "resnet32 cannot have ibn: changes come before"),
        ((GeM(), GeM(2.0)), "resnet32 cannot have gem: each change comes once"),
    ],
)
def test_an_order_that_cannot_be_is_told(changes: tuple[Change, ...], what: str) -> None:
    with pytest.raises(UserError, match=what):
        build(NetworkSpec("resnet32", 5, changes=changes), seed=0)


# Other libraries' networks


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("torchvision:resnet18", ALL),
        ("torchvision:mobilenet_v2", (LastStride(), Bottleneck(24), BNNeck(), Dropout(0.5))),
        ("torchvision:efficientnet_b0", (LastStride(), GeM(), BNNeck())),
        ("torchreid:osnet_x0_25", (GeM(), BNNeck(), Dropout(0.5))),
        ("timm:resnet18", ALL),
        ("timm:vit_tiny_patch16_224", (Bottleneck(24), BNNeck(), Dropout(0.5))),
    ],
)
def test_libraries_networks_take_what_they_can(name: str, changes: tuple[Change, ...]) -> None:
    if name.startswith("timm:"):
        pytest.importorskip("timm", reason="timm is an extra")
    network = build(NetworkSpec(name, 5, (64, 32), changes=changes), seed=0).train()
    output = network(images((64, 32)))
    output.logits.logsumexp(1).sum().backward()
    assert output.logits.shape == (4, 5)
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    if GeM() in changes:
        poolings = [m for m in network.modules() if isinstance(m, GeMPooling)]
        assert len(poolings) == 1
        assert poolings[0].p.grad is not None


@pytest.mark.parametrize(
    ("name", "size", "change", "what"),
    [
        ("torchvision:mobilenet_v2", (64, 32), IBN(), "no residual or dense blocks"),
        ("torchvision:mobilenet_v2", (64, 32), GeM(), "its own pooling is no module"),
        ("torchvision:swin_t", (64, 64), GeM(), "no stages of maps"),
        ("torchvision:vit_b_32", (64, 64), LastStride(), "it has no stages"),
        ("torchvision:convnext_tiny", (64, 32), LastStride(), "not halved by a stride alone"),
        ("torchreid:resnet50_fc512", (64, 32), LastStride(), "keeps the size"),
        ("tiny", (16, 8), LastStride(), "it has no stages"),
        ("staged", (16, 8), IBN(), "no residual or dense blocks"),
        ("resnet18", (16, 16), IBN(), "more than 1 spatial element"),
    ],
)
def test_what_a_network_cannot_have_is_told_by_name(
    name: str, size: tuple[int, int], change: Change, what: str
) -> None:
    with pytest.raises(UserError, match=what) as caught:
        check_network(name, size=size, changes=(change,))
    assert caught.value.what.startswith(f"{name} cannot have ")
    assert caught.value.exit_status == 2


# As values


def test_a_configuration_names_them() -> None:
    assert changes_of(ModelConfig()) == ()
    whole = ModelConfig(
        neck="bnneck", last_stride=1, pooling="gem", ibn="a", dropout=0.5, bottleneck=24
    )
    assert set(changes_of(whole)) == set(ALL)
    build(NetworkSpec("resnet32", 5, changes=changes_of(whole)), seed=0)


@pytest.mark.parametrize(
    "plain",
    [
        {"change": "last_stride", "stride": 2},
        {"change": "last_stride", "stride": True},
        {"change": "gem", "p": 0.0},
        {"change": "gem", "p": "3"},
        {"change": "ibn", "kind": "b"},
        {"change": "dropout", "p": 1.0},
        {"change": "dropout", "p": None},
        {"change": "bottleneck", "width": 0},
        {"change": "bottleneck", "width": 1.5},
        {"change": "bnneck", "p": 1},
    ],
)
def test_a_file_with_other_values_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(UserError, match="no change"):
        NetworkSpec.from_json({"name": "resnet32", "classes": 5, "changes": [plain]})


def test_specs_with_changes_come_back_from_json() -> None:
    spec = NetworkSpec("resnet32", 5, changes=EACH)
    assert NetworkSpec.from_json(spec.to_json()) == spec
    of_foreign = {
        "stem",
        "non_local",
        "no_last_relu",
        "norm_neck",
        "normalised",
        "centred_shortcut",
    }
    others = {"branches", "part", "input_dropout", "onnx_file"} | of_foreign
    assert {change.name for change in EACH} | others == set(CHANGES)
    keys = {NetworkSpec("resnet32", 5, changes=(GeM(p),)).key for p in (3, 3.0)}
    assert len(keys) == 1
