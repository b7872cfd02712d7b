"""Gradient norms of each layer, as tensors: nothing waits for the device within a step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class GradientWatch:
    """Measures the gradients of networks after a backward pass, before they are clipped.

    A layer is a module with parameters of its own; its norm is the Euclidean one of all of them
    together. What has no gradient, because it is frozen, counts as zero.

    Args:
        networks: by name.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._networks = {name: _Layers(network) for name, network in networks.items()}

    @property
    def layers(self) -> dict[str, list[str]]:
        """The names of each network's layers, in order."""
        return {name: one.names for name, one in self._networks.items()}

    @torch.no_grad()
    def norms(self, network: str) -> Tensor | None:
        """Returns |g| of each layer of a network, L float32 on its device; None of other names."""
        layers = self._networks.get(network)
        return None if layers is None else layers.norms()


class _Layers:
    def __init__(self, network: nn.Module) -> None:
        self._parameters, owners = [], []
        for path, parameter in network.named_parameters():
            self._parameters.append(parameter)
            owners.append(path.rpartition(".")[0])
        self.names = list(dict.fromkeys(owners))
        places = {name: place for place, name in enumerate(self.names)}
        self._owners = [places[owner] for owner in owners]
        self._index: dict[tuple[bool, ...], Tensor] = {}

    def norms(self) -> Tensor:
        device = self._parameters[0].device
        known = tuple(p.grad is not None for p in self._parameters)
        if known not in self._index:  # moved to the device once for each segment of a phase
            owners = [owner for owner, has in zip(self._owners, known, strict=True) if has]
            self._index[known] = torch.tensor(owners, dtype=torch.int64, device=device)
        squares = torch.zeros(len(self.names), device=device)
        grads = [p.grad for p in self._parameters if p.grad is not None]
        if grads:
            own = torch.stack(torch._foreach_norm(grads)).float()
            squares.index_add_(0, self._index[known], own.square())
        return squares.sqrt_()
