"""Counts the multiply-accumulates of whatever runs, forward and backward apart."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Self, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Module = TypeVar("Module", bound=nn.Module)
Shape = Sequence[int]

_aten = torch.ops.aten


class WorkCounter:
    """Counts every convolution and matrix product that runs inside it.

    One multiply-accumulate is two operations of PyTorch's flop counter, which does the counting by
    the shapes of what runs. Sums, norms, activations, products of single vectors and the
    optimiser's update are not counted, as is usual. The counts depend neither on the device nor on
    the kernels that it chooses: on the meta device, where nothing is computed, they are the same.

    What runs inside :meth:`backward` is the backward pass; all else, with or without gradients,
    with modules in training or in evaluation mode, is forward.

    Examples:
        >>> layer, x = nn.Linear(5, 7, device="meta"), torch.empty(3, 5, device="meta")
        >>> with WorkCounter() as work:
        ...     loss = layer(x).sum()
        ...     with work.backward():
        ...         loss.backward()
        >>> work.forward_macs, work.backward_macs  # x needs no gradient, only the weight does
        (105, 105)
    """

    def __init__(self) -> None:
        self._counter = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
        self._open = contextlib.ExitStack()
        self._backward = 0

    def __enter__(self) -> Self:
        self._backward = 0
        self._open.enter_context(_without_fused_modules())
        self._open.enter_context(self._counter)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @contextlib.contextmanager
    def backward(self) -> Iterator[None]:
        """Returns a context whose work counts as backward."""
        forward = self.forward_macs
        try:
            yield
        finally:
            self._backward = self.total_macs - forward

    @property
    def forward_macs(self) -> int:
        """Multiply-accumulates so far outside :meth:`backward`."""
        return self.total_macs - self._backward

    @property
    def backward_macs(self) -> int:
        """Multiply-accumulates so far inside :meth:`backward`."""
        return self._backward

    @property
    def total_macs(self) -> int:
        """All multiply-accumulates so far."""
        return int(self._counter.get_total_flops()) // 2


def on_meta(module: Module) -> Module:
    """Returns a copy whose parameters and buffers are on the meta device: shapes without memory.

    The copy has the original's modes, types, memory formats and ``requires_grad``, and shares what
    the original shares; whatever is done with it leaves the original alone. Nothing that a module
    holds as a parameter or a buffer is copied on the way.
    """
    shapes: dict[int, Any] = {}
    for parameter in module.parameters():
        like = torch.empty_like(parameter, device="meta")
        shapes[id(parameter)] = nn.Parameter(like, parameter.requires_grad)
    for buffer in module.buffers():
        shapes[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(module, shapes)


# Formulas where PyTorch 2.14 has none or others; in operations, two a multiply-accumulate.


def _convolution_backward(
    grad: Shape,
    x: Shape,
    weight: Shape,
    bias: Shape | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    transposed: bool,
    output_padding: Shape,
    groups: int,
    output_mask: Sequence[bool],
    **rest: object,
) -> int:
    """Each gradient that is asked for, the input's and the weight's, costs what forward costs.

    NOTE: PyTorch's own formula leaves the groups out of the weight's gradient.
    """
    places = prod((x if transposed else grad)[2:])
    forward = 2 * x[0] * places * prod(weight)  # the weight's shape has the groups in it
    return forward * (output_mask[0] + output_mask[1])


def _attention(query: Shape, key: Shape, value: Shape, *rest: object, **more: object) -> int:
    """B x h x L x d queries with S keys: the scores, then the weighted sum of the values."""
    *heads, length, dim = query
    return 2 * prod(heads) * length * key[-2] * (dim + value[-1])


def _attention_backward(grad: Shape, *forward: Any, **rest: object) -> int:
    """Two products for each of forward's.

    NOTE: flash kernels make the scores anew, which PyTorch counts; then devices would differ.
    """
    return 2 * _attention(*forward)


def _addbmm(added: Shape, left: Shape, right: Shape, *rest: object, **more: object) -> int:
    batch, rows, inner = left
    return 2 * batch * rows * inner * right[2]


_KERNELS = ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention")
_FORMULAS: dict[Any, Any] = {
    _aten.convolution_backward: _convolution_backward,
    _aten.addbmm: _addbmm,
    **{getattr(_aten, f"_scaled_dot_product_{kernel}"): _attention for kernel in _KERNELS},
    **{
        getattr(_aten, f"_scaled_dot_product_{kernel}_backward"): _attention_backward
        for kernel in _KERNELS
    },
}


@contextlib.contextmanager
def _without_fused_modules() -> Iterator[None]:
    """Makes attention run as the products that it is; its fused form hides them."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
