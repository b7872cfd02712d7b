"""Layers whose bf16 results are not float32's are found, whatever is wrong with them."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import Tensor, nn

from reid_srdl.models.adapters.parts import PreciseSequential
from reid_srdl.models.changes import Branches
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training import rounding
from reid_srdl.training.precision import Compute
from reid_srdl.training.rounding import WRONG, largest_error, wrong_layer

SMALL = NetworkSpec("resnet8", 4, (8, 8))


def on_cpu(precision: str) -> Compute:
    return Compute(torch.device("cpu"), precision, torch.get_num_threads())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (3, 8, 8)),
        (nn.Conv2d(8, 8, 3, 2, padding=1, groups=8, bias=False), (8, 9, 5)),
        (nn.Linear(20, 5), (20,)),
        (nn.Linear(20, 5, bias=False, device="meta"), (7, 20)),
        (nn.Conv1d(8, 8, 3, padding=1), (8, 6)),
        (nn.ConvTranspose2d(8, 4, 3, 2, padding=1), (8, 4, 4)),
    ],
)
def test_rounding_to_bf16_alone_is_right(layer: nn.Module, shape: tuple[int, ...]) -> None:
    assert 0.0005 < largest_error(layer, shape, 4) < WRONG


class _Idle(nn.Linear):
    """Its answer is zero, and its bias is not used."""

    def forward(self, input: Tensor) -> Tensor:
        return 0 * nn.functional.linear(input, self.weight)


def test_zeros_are_right_and_so_are_weights_that_are_not_used() -> None:
    assert largest_error(_Idle(6, 4), (6,), 4) == 0


class _Unwritten(nn.Linear):
    """In bf16 it adds what memory holds that nobody wrote, as oneDNN's gradient does."""

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if torch.is_autocast_enabled("cpu"):
            return output + torch.empty(300_000, dtype=output.dtype)[: output.shape[1]]
        return output


class _Doubled(torch.autograd.Function):
    """A gradient that is wrong in bf16 alone."""

    @staticmethod
    def forward(ctx, input, weight):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(input, weight)
        return input @ weight.T

    @staticmethod
    def backward(ctx, back):  # type: ignore[no-untyped-def]
        input, weight = ctx.saved_tensors
        factor = 1.05 if back.dtype == torch.bfloat16 else 1
        return back.float() @ weight, factor * (back.float().T @ input)


class _WrongGradient(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = _Doubled.apply(input, self.weight)  # type: ignore[no-untyped-call]
        return output.bfloat16() if torch.is_autocast_enabled("cpu") else output


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's mallopt")
def test_memory_that_nobody_wrote_is_seen_at_the_first_reading() -> None:
    assert not largest_error(_Unwritten(6, 4), (6,), 4) < 1e30


def test_a_gradient_that_is_wrong_by_a_twentieth_is_seen() -> None:
    error = largest_error(_WrongGradient(6, 4, bias=False), (6,), 4)
    assert 0.04 < error < 0.06
    assert error > WRONG


def test_a_trial_leaves_layer_and_generator_as_they_were() -> None:
    layer = nn.Conv2d(2, 3, 3)
    weight, state = layer.weight.detach().clone(), torch.get_rng_state()
    largest_error(layer, (2, 5, 5), 2)
    assert torch.equal(layer.weight, weight)
    assert layer.weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)


def test_the_wrong_layer_of_a_network_is_named_with_its_maps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[tuple[tuple[int, ...], int]] = []

    def error(module: nn.Module, shape: tuple[int, ...], images: int) -> float:
        tried.append((shape, images))
        return float("inf") if shape == (32, 4, 4) else 0.002

    monkeypatch.setattr(rounding, "_known", {})
    monkeypatch.setattr(rounding, "largest_error", error)
    found = wrong_layer(SMALL, 3, on_cpu("bf16"))
    assert found is not None
    assert found.shape == (32, 4, 4)
    assert str(found).endswith(f"{found.module} on 32 x 4 x 4")
    assert dict(_named_modules())[found.name] == repr(found.module)
    assert {images for _, images in tried} == {3}
    before = len(tried)
    assert wrong_layer(SMALL, 3, on_cpu("bf16")) is not None
    assert len(tried) == before  # each kind is tried once
    assert wrong_layer(SMALL, 30, on_cpu("bf16")) is not None
    assert {images for _, images in tried} == {3, rounding.IMAGES}


def _named_modules() -> list[tuple[str, str]]:
    from reid_srdl.models.build import build

    return [(name, repr(module)) for name, module in build(SMALL, seed=0).named_modules()]


def _tried_of(network: Network, monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """Returns the layers of a network for 4 x 4 images that are tried; all are right."""
    tried: list[nn.Module] = []

    def error(module: nn.Module, shape: tuple[int, ...], images: int) -> float:
        tried.append(module)
        return 0.0

    monkeypatch.setattr(rounding, "_known", {})
    monkeypatch.setattr(rounding, "build", lambda spec, seed: network)
    monkeypatch.setattr(rounding, "largest_error", error)
    assert wrong_layer(NetworkSpec("resnet8", 2, (4, 4)), 2, on_cpu("bf16")) is None
    return tried


def test_convolutions_of_every_kind_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    back = nn.ConvTranspose2d(3, 3, 3)
    assert _tried_of(Network(back, nn.Linear(3, 2)), monkeypatch) == [back]
    along = nn.Conv1d(3, 4, 3)
    trunk = nn.Sequential(nn.Flatten(2), along, nn.Flatten())
    assert _tried_of(Network(trunk, nn.Linear(56, 2)), monkeypatch) == [along]


def test_what_is_computed_in_float32_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    inner, behind = nn.Linear(48, 8), PreciseSequential(nn.Linear(8, 5))
    network = Network(nn.Sequential(nn.Flatten(), inner, behind), nn.Linear(5, 2))
    network.bottleneck = nn.Sequential(nn.Linear(5, 5))
    assert _tried_of(network, monkeypatch) == [inner]


def test_layers_of_branches_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[str] = []

    def error(module: nn.Module, shape: tuple[int, ...], images: int) -> float:
        shapes.append(repr(module))
        return 0.0

    monkeypatch.setattr(rounding, "_known", {})
    monkeypatch.setattr(rounding, "largest_error", error)
    assert wrong_layer(SMALL, 2, on_cpu("bf16")) is None
    without = len(shapes)
    branched = NetworkSpec("resnet8", 4, (8, 8), changes=(Branches(),))
    assert wrong_layer(branched, 2, on_cpu("bf16")) is None
    assert len(shapes) > without


@pytest.mark.parametrize(
    "compute", [on_cpu("fp32"), Compute(torch.device("cuda"), "bf16", 1)], ids=["fp32", "cuda"]
)
def test_nothing_is_tried_in_float32_and_on_cuda(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "largest_error", None)
    assert wrong_layer(SMALL, 2, compute) is None


@pytest.mark.skipif(
    "DNN v3.12." not in torch.__config__.show()
    or platform.libc_ver()[0] != "glibc"
    or not torch.cpu._is_avx512_bf16_supported()
    or torch.cpu._is_amx_tile_supported(),  # they have kernels of their own
    reason="seen with oneDNN 3.12 on processors that multiply bf16 by AVX-512",
)
def test_the_known_fault_of_pytorch_is_found_and_no_network_of_usual_size_has_it() -> None:
    compute = on_cpu("bf16")
    found = wrong_layer(NetworkSpec("resnet18", 4, (32, 16)), 8, compute)
    assert found is not None
    assert found.shape == (256, 2, 1)
    assert wrong_layer(NetworkSpec("resnet18", 4, (64, 32)), 8, compute) is None
    assert wrong_layer(NetworkSpec("resnet20", 4, (32, 32)), 8, compute) is None
