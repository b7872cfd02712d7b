"""A trained network with all that stands between plain pixels and its answer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from reid_srdl.models.network import Network, Output

Answer = Literal["features", "logits"]


class Standalone(nn.Module):
    """Maps N x C x H x W float32 images in 0..1, RGB or grey, to N x D features or logits.

    Args:
        network: as trained; put into evaluation mode, on the CPU.
        mean, std: of each channel, by which it sees images normalised.
        answer: ``features``, which retrieval ranks, or ``logits``.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: Network, mean: tuple[float, ...], std: tuple[float, ...], answer: Answer
    ) -> None:
        super().__init__()
        self.network = network
        self._answer = answer
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1))
        # Contiguous weights: how a GPU likes them in memory is no part of a graph.
        self.to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Returns N x D features, or N x D logits."""
        output: Output = self.network((images - self.mean) / self.std)
        return output.logits if self._answer == "logits" else output.features
