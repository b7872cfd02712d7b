"""Whether bf16 products of a network are right here: layer by layer, held to those of float32.

PyTorch 2.14 with oneDNN 3.12 reads memory that nobody wrote in the weights' gradient of some
convolutions, those of stride 2 on maps one pixel wide among them (`tools/bf16_layers` lists them).
Nothing says so, and training goes on with it.

NOTE: layers are modules. A convolution that a network calls as a function is not tried: of timm's,
those that mix their kernels for each image (CondConv).
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import os
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from reid_srdl.models.adapters.parts import PreciseSequential
from reid_srdl.models.answering import Answering
from reid_srdl.models.build import build
from reid_srdl.models.empty_pass import REFUSALS, empty_pass
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.precision import Compute

IMAGES = 8  # at most, in a trial
# Relative to float32. Rounding to bf16 alone gives 0.0016 to 0.0023, and up to 0.005 on processors
# without bf16 products, where PyTorch rounds sums, too.
WRONG = 0.01
_SIZE = (224, 224)  # where a network has none of its own
_M_PERTURB = -6  # glibc's malloc.h

_known: dict[tuple[object, ...], bool] = {}


class Layer(NamedTuple):
    """A convolution of any kind or a linear layer, and what comes into it.

    Attributes:
        name: of the module in its network.
        module: on any device.
        shape: of the input of one image.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}, {self.module} on {' x '.join(map(str, self.shape))}"


def wrong_layer(spec: NetworkSpec, images: int, compute: Compute) -> Layer | None:
    """Returns the first layer whose bf16 results are not float32's within rounding; None: none is.

    Each kind of layer is tried once in a process, on random values: its output and the gradients
    of its input and of its weights.

    Args:
        spec: the network.
        images: of a batch; at most 8 are tried.
        compute: where; only a CPU in bf16 is tried.

    Raises:
        UserError: as `build`.
    """
    if compute.device.type != "cpu" or compute.precision != "bf16":
        return None
    with torch.device("meta"):
        network = build(spec, seed=0)
    with compute.activated():
        for layer in _layers(network, spec):
            kind = (repr(layer.module), layer.shape, min(images, IMAGES), compute.threads)
            if kind not in _known:
                _known[kind] = largest_error(layer.module, layer.shape, kind[2]) < WRONG
            if not _known[kind]:
                return layer
    return None


def _layers(network: Network, spec: NetworkSpec) -> list[Layer]:
    found: list[Layer] = []

    def met(name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], _output: object) -> None:
            found.append(Layer(name, module, tuple(inputs[0].shape[1:])))

        return hook

    left_out = _in_float32(network)
    hooks = [
        module.register_forward_hook(met(name))
        for name, module in network.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear)) and module not in left_out
    ]
    try:
        needs = {"branches"} if network.branches else set()
        empty_pass(network, spec.size or _SIZE, network.channels, needs=needs)
    except REFUSALS:
        pass  # what it does not take is told where it is planned
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _in_float32(network: nn.Module) -> set[nn.Module]:
    """Returns what networks compute in float32, whatever the precision: what follows the pooling.

    A classifier of many classes would take longer to try than all other layers.
    """
    parts: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, Answering):
            parts += [module.bottleneck, module.neck, module.classifier]
        elif isinstance(module, PreciseSequential):
            parts.append(module)
    return {inner for part in parts for inner in part.modules()}


def largest_error(module: nn.Module, shape: tuple[int, ...], images: int) -> float:
    """Returns by how much a layer in bf16 differs from itself in float32, on the CPU.

    Args:
        module: a convolution or a linear layer; it stays as it is.
        shape: of the input of one image.
        images: of the batch.

    Returns:
        The largest ||bf16 - float32|| / ||float32|| of the output and of the gradients of input and
        weights, both computed from the same values, which bf16 holds exactly; infinity where one
        is not finite.
    """
    drawn = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        value = torch.randn(*shape, generator=drawn).bfloat16().float()
        return value.to(memory_format=torch.channels_last) if value.dim() == 4 else value

    layer = copy.deepcopy(module).to_empty(device="cpu").requires_grad_(True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.set_(draw(*parameter.shape))  # type: ignore[call-overload]
    came = draw(images, *shape)
    back = draw(*layer(came.requires_grad_(True)).shape)
    with _unwritten_memory_is_huge():
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(came)
        rounded = _results(layer, came, output, back)
    exact = _results(layer, came, layer(came), back)
    return max(_difference(one, other) for one, other in zip(rounded, exact, strict=True))


def _results(layer: nn.Module, came: Tensor, output: Tensor, back: Tensor) -> list[Tensor]:
    moved = [came, *layer.parameters()]
    loss = (output.float() * back).sum()
    gradients = torch.autograd.grad(loss, moved, materialize_grads=True)  # zeros if not used
    return [output.detach(), *gradients]


def _difference(rounded: Tensor, exact: Tensor) -> float:
    if torch.equal(rounded.float(), exact):  # zeros, too
        return 0.0
    difference = float((rounded.float() - exact).norm() / exact.norm())
    return difference if difference < float("inf") else float("inf")  # NaN is no less


@contextlib.contextmanager
def _unwritten_memory_is_huge() -> Iterator[None]:
    """Has the C library fill memory that it hands out, so that who reads it unwritten is seen.

    Every byte is 0x7f then, which is 3.4e38 in float32 and in bf16. Libraries other than glibc
    have no such switch, and may hand out zeros.
    """
    switch = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if switch is None:
        yield
        return
    switch(_M_PERTURB, 0xFF - 0x7F)
    try:
        yield
    finally:
        switch(_M_PERTURB, 0)
