"""OnnxFile: the network is an ONNX file, held whole. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class OnnxFile:
    """What is known of an ONNX file before it is opened.

    Attributes:
        length: of its features, or the number of its logits.
        parameters: numbers in its constants.
        reverse: it takes blue, green, red.
        logits: it gives logits; no: features.
    """

    name: ClassVar[str] = "onnx_file"
    length: int
    parameters: int
    reverse: bool = False
    logits: bool = False

    def __post_init__(self) -> None:
        if type(self.length) is not int or type(self.parameters) is not int:
            raise TypeError("length and parameters are whole numbers")
        if self.length < 1 or self.parameters < 0:
            raise ValueError("a feature holds one number or more")
        if type(self.reverse) is not bool or type(self.logits) is not bool:
            raise TypeError("reverse and logits are true or false")
