"""Multiply-accumulates of forward and backward passes, against closed forms."""

from __future__ import annotations

import warnings
from copy import deepcopy
from math import prod

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_srdl.analysis.work import WorkCounter, on_meta
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec

META = torch.device("meta")


def counted(module: nn.Module, *shape: int, grad: bool, device: str = "meta") -> tuple[int, int]:
    """Returns the multiply-accumulates of a step; ``grad``: the input wants a gradient, too."""
    x = torch.zeros(*shape, device=device, requires_grad=grad)
    module = module.to(device)
    with WorkCounter() as work:
        loss = module(x).sum()
        with work.backward():
            loss.backward()
    return work.forward_macs, work.backward_macs


CONVOLUTIONS = [
    # outputs are worked out by hand: a product for each place, output channel, input of its group
    (nn.Conv2d(4, 6, 3, padding=1), (2, 4, 5, 7), 2 * (5 * 7) * 6 * 4 * 9),
    (nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), (2, 4, 9, 7), 2 * (4 * 3) * 6 * 2 * 9),
    (nn.Conv2d(6, 6, (3, 1), groups=6), (2, 6, 5, 7), 2 * (3 * 7) * 6 * 1 * 3),
    (nn.Conv2d(4, 8, 3, dilation=2, groups=4), (1, 4, 9, 9), (5 * 5) * 8 * 1 * 9),
    (nn.Conv1d(4, 6, 5, stride=2), (3, 4, 11), 3 * 4 * 6 * 4 * 5),
    (nn.Conv3d(2, 4, 2, groups=2), (1, 2, 3, 4, 5), (2 * 3 * 4) * 4 * 1 * 8),
    # transposed: a product for each place of the input
    (nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 5, 7), 2 * (5 * 7) * 4 * 6 * 9),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 5, 7), 2 * (5 * 7) * 4 * 3 * 9),
]


@pytest.mark.parametrize(("module", "shape", "macs"), CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_convolutions(module: nn.Module, shape: tuple[int, ...], macs: int, device: str) -> None:
    module = deepcopy(module)
    assert counted(module, *shape, grad=True, device=device) == (macs, 2 * macs)
    assert counted(module, *shape, grad=False, device=device) == (macs, macs)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    assert counted(module, *shape, grad=True, device=device) == (macs, macs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 5)])
def test_linear_layers(bias: bool, shape: tuple[int, ...]) -> None:
    macs = prod(shape) * 7
    layer = nn.Linear(5, 7, bias=bias)
    assert counted(layer, *shape, grad=True) == (macs, 2 * macs)
    assert counted(layer, *shape, grad=False) == (macs, macs)


@pytest.mark.parametrize("product", ["bmm", "baddbmm", "addbmm", "einsum", "mm", "addmm"])
def test_matrix_products(product: str) -> None:
    def wants(*shape: int) -> Tensor:
        return torch.empty(*shape, device=META, requires_grad=True)

    left, right, added = wants(3, 4, 5), wants(3, 5, 6), wants(4, 6)
    products = {
        "bmm": lambda: left @ right,
        "baddbmm": lambda: torch.baddbmm(added, left, right),
        "addbmm": lambda: torch.addbmm(added, left, right),
        "einsum": lambda: torch.einsum("bij,bjk->bik", left, right),
        "mm": lambda: left[0] @ right[0],
        "addmm": lambda: torch.addmm(added, left[0], right[0]),
    }
    with WorkCounter() as work:
        loss = products[product]().sum()
        with work.backward():
            loss.backward()
    macs = 4 * 5 * 6 * (1 if product.endswith("mm") and "b" not in product else 3)
    assert (work.forward_macs, work.backward_macs) == (macs, 2 * macs)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_attention_counts_alike_by_whatever_kernel(device: str) -> None:
    heads, length, keys, dim, values = 2 * 3, 5, 7, 8, 8
    query = torch.zeros(2, 3, length, dim, device=device, requires_grad=True)
    key, value = (
        torch.zeros(2, 3, keys, d, device=device, requires_grad=True) for d in (dim, values)
    )
    with WorkCounter() as work:
        loss = F.scaled_dot_product_attention(query, key, value).sum()
        with work.backward():
            loss.backward()
    macs = heads * length * keys * (dim + values)
    assert (work.forward_macs, work.backward_macs) == (macs, 2 * macs)


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("training", [True, False])
def test_a_transformers_layer(device: str, training: bool) -> None:
    batch, length, width, hidden = 2, 10, 32, 64
    layer = nn.TransformerEncoderLayer(width, 4, hidden, batch_first=True, device=device)
    layer.train(training)  # in evaluation PyTorch would run it as one fused operation
    fast = torch.backends.mha.get_fastpath_enabled()
    with torch.no_grad(), WorkCounter() as work:
        layer(torch.zeros(batch, length, width, device=device))
    tokens = batch * length
    projections = tokens * 4 * width * width
    assert work.forward_macs == (
        projections + 2 * tokens * length * width + 2 * tokens * width * hidden
    )
    assert torch.backends.mha.get_fastpath_enabled() == fast


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def test_what_runs_outside_the_backward_pass_is_forward() -> None:
    teacher, student = on_meta(small()).eval(), on_meta(small())
    images = torch.empty(4, 3, 6, 5, device=META)
    first, last = 4 * 6 * 5 * 8 * 27, 4 * 8 * 10
    with WorkCounter() as work:
        with torch.no_grad():
            target = teacher(images)
        assert work.forward_macs == first + last
        loss = F.mse_loss(student(images), target)
        with work.backward():
            loss.backward()
        with torch.inference_mode():
            student(images)
    assert work.forward_macs == 3 * (first + last)
    assert work.backward_macs == first + 2 * last  # the images need no gradient
    assert work.total_macs == work.forward_macs + work.backward_macs
    with work:
        student(images)
    assert (work.forward_macs, work.backward_macs) == (first + last, 0)


def test_what_failed_is_counted_and_leaves_nothing_behind() -> None:
    x, weight = torch.empty(2, 3, device=META), torch.empty(4, 3, device=META)

    def fails_after_a_product() -> None:
        F.linear(x, weight)
        raise ZeroDivisionError

    work = WorkCounter()
    with pytest.raises(ZeroDivisionError), work, work.backward():
        fails_after_a_product()
    assert (work.forward_macs, work.backward_macs) == (0, 24)
    F.linear(x, weight)
    assert work.total_macs == 24


def test_counting_a_copy_leaves_the_network_and_the_generator_alone() -> None:
    network = small()
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random_state = torch.get_rng_state()
    counted(on_meta(network).train(), 2, 3, 6, 5, grad=False)
    assert torch.equal(random_state, torch.get_rng_state())
    assert [m.training for m in network] == [True, False, True, True, True, True]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def test_a_copy_on_meta_keeps_everything_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small().to(torch.bfloat16).to(memory_format=torch.channels_last)
    network[5].weight.requires_grad_(False)
    network.tied = network[0]
    network[1].register_buffer("scratch", torch.zeros(3), persistent=False)
    network[1].eval()

    def refuse(tensor: Tensor, memo: object) -> Tensor:
        raise AssertionError("a tensor was copied")

    monkeypatch.setattr(Tensor, "__deepcopy__", refuse)
    monkeypatch.setattr(nn.Parameter, "__deepcopy__", refuse)
    copied = on_meta(network)
    assert copied.tied is copied[0]
    assert copied[0] is not network[0]
    assert [m.training for m in copied.modules()] == [m.training for m in network.modules()]
    ours, theirs = tensors_of(copied), tensors_of(network)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        like = theirs[name]
        assert tensor.device == META
        assert type(tensor) is type(like)
        assert (tensor.shape, tensor.dtype, tensor.stride(), tensor.requires_grad) == (
            (like.shape, like.dtype, like.stride(), like.requires_grad)
        )
    assert not network[0].weight.is_meta


@pytest.mark.parametrize(("height", "width"), [(256, 128), (224, 224)])
@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("resnet50", 2.971),
        ("torchvision:resnet18", 2.935),
        ("torchreid:mobilenetv2_x1_0", 2.965),
        ("torchreid:osnet_x0_25", 2.767),
    ],
)
def test_a_networks_step_is_thrice_forward_less_the_images_gradient(
    name: str, ratio: float, height: int, width: int
) -> None:
    with warnings.catch_warnings(action="ignore"):
        network = on_meta(build(NetworkSpec(name, 751), seed=0))
    images = torch.empty(2, 3, height, width, device=META)
    with WorkCounter() as work:
        loss = network(images).logits.logsumexp(1).sum()
        with work.backward():
            loss.backward()
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    saved = 2 * prod(s // 2 for s in (height, width)) * first.weight.numel()  # of stride 2
    assert work.total_macs == 3 * work.forward_macs - saved
    assert work.total_macs / work.forward_macs == pytest.approx(ratio, rel=1e-3)
