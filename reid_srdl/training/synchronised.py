"""Batch norm where several processes share a batch: on CUDA of all of it, on CPU of a part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def synchronised(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Lets batch norms on CUDA take the statistics of the whole batch while it lasts."""
    swapped = []
    for network in networks:
        for parent in list(network.modules()):
            for name, norm in list(parent.named_children()):
                if isinstance(norm, _BatchNorm) and _on_cuda(norm):
                    swapped.append((parent, name, norm))
                    setattr(parent, name, _synchronised(norm))
    try:
        yield
    finally:
        for parent, name, norm in swapped:
            setattr(parent, name, norm)


def own_statistics(modules: Iterable[nn.Module]) -> bool:
    """Says whether batch norms take statistics that no other process knows: they are on CPU."""
    return any(
        isinstance(norm, _BatchNorm) and not _on_cuda(norm)
        for module in modules
        for norm in module.modules()
    )


def _on_cuda(norm: nn.Module) -> bool:
    return any(one.is_cuda for one in (*norm.parameters(), *norm.buffers()))


def _synchronised(norm: nn.Module) -> nn.Module:
    made: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
    return made
