"""Tensors as bytes, and the tensors of a network's answer: what processes send to each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from reid_srdl.models.network import Output


def tensors_of(output: Output) -> Iterator[Tensor]:
    """Yields an answer's tensors in a fixed order; a pass that ended at a stage has fewer."""
    own = (output.logits, output.features, output.pooled, *output.stages.values())
    yield from (value for value in own if value is not None)
    for branch in output.branches.values():
        yield from tensors_of(branch)


def with_tensors(output: Output, values: Iterator[Tensor]) -> Output:
    """Returns an answer with other tensors, in the order of ``tensors_of``."""

    def taken(value: Tensor) -> Tensor:
        return value if value is None else next(values)

    return replace(
        output,
        logits=taken(output.logits),
        features=taken(output.features),
        pooled=taken(output.pooled),
        stages={name: taken(maps) for name, maps in output.stages.items()},
        branches={name: with_tensors(branch, values) for name, branch in output.branches.items()},
    )


def bytes_of(value: Tensor) -> Tensor:
    """Returns a tensor's values as bytes, in a row."""
    return value.detach().contiguous().reshape(-1).view(torch.uint8)


def from_bytes(given: Tensor, like: Tensor) -> Tensor:
    """Returns the tensor that was sent as bytes, in the shape and type of another one."""
    return given.clone().view(like.dtype).view(like.shape)  # a clone is aligned


def split(flat: Tensor, sizes: list[int]) -> list[Tensor]:
    """Returns consecutive pieces of a flat tensor."""
    return list(flat.split(sizes))  # type: ignore[no-untyped-call]
