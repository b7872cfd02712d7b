"""An ONNX file as a network of ours: its features, or its logits.

Where it gives features no classifier knows anything; where it gives logits the classifier passes
them on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.changes import OnnxFile
from reid_srdl.models.graphs.running import OnnxGraph, open_onnx
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec


class OnnxTrunk(nn.Module):
    """Maps B x C x H x W normalised images to B x D answers, by ONNX Runtime, without gradients.

    Attributes:
        file: the content of the ONNX file, so that a weights file holds it whole.
        inside: parameters that are in the file, for who counts them.
    """

    file: Tensor

    def __init__(self, known: OnnxFile) -> None:
        super().__init__()
        self.inside = known.parameters
        self._reverse = known.reverse
        self._graph: OnnxGraph | None = None
        self.register_buffer("file", torch.empty(0, dtype=torch.uint8))

    def forward(self, images: Tensor) -> Tensor:
        """Returns B x D features or logits, on the images' device."""
        if self._reverse:
            images = images.flip(1)
        if self._graph is None:
            self._graph = open_onnx(
                self.file.cpu().numpy().tobytes(),
                threads=torch.get_num_threads(),
                device=str(images.device),
            )
        answers = self._graph.run(images.detach().float().cpu().contiguous().numpy())
        return torch.from_numpy(answers).to(images.device)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Takes a file of any length."""
        given = state.get(f"{prefix}file")
        if isinstance(given, Tensor) and given.dtype == torch.uint8 and given.dim() == 1:
            self.file = torch.empty_like(given, device=self.file.device)
            self._graph = None
        super()._load_from_state_dict(state, prefix, *rest)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_graph": None}  # a copy opens the file again


def onnx_network(spec: NetworkSpec) -> Network:
    """Makes a network whose file is still to be loaded.

    Raises:
        UserError: the spec is not that of an imported file.
    """
    known = [change for change in spec.changes if isinstance(change, OnnxFile)]
    if len(known) != 1:
        raise UserError(
            "model.name: onnx is what an imported ONNX file is called; it cannot be trained",
            "choose a network, or import the file: reid-srdl import FILE --model onnx --name NAME",
            usage=True,
        )
    classifier = nn.Linear(known[0].length, spec.classes)
    nn.init.zeros_(classifier.bias)
    if known[0].logits:
        nn.init.eye_(classifier.weight)
    else:
        nn.init.zeros_(classifier.weight)  # what was drawn would only look like an answer
    network = Network(OnnxTrunk(known[0]), classifier, spec.size)
    network.channels = spec.channels
    return network


def gives_features(network: nn.Module) -> bool:
    """Says whether a network has features; an ONNX file may give logits alone."""
    spec = getattr(network, "spec", None)  # a network made by hand has none
    changes = () if spec is None else spec.changes
    return not any(isinstance(change, OnnxFile) and change.logits for change in changes)
