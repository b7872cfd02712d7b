"""What can be done to a network, by name. Imports no torch.

A new change is a file and a row here, and a row in `models.applying` for what it does.
"""

from __future__ import annotations

from dataclasses import Field
from typing import Any, ClassVar, Protocol

from reid_srdl.models.changes.bnneck import BNNeck
from reid_srdl.models.changes.bottleneck import Bottleneck
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.changes.centred_shortcut import CentredShortcut
from reid_srdl.models.changes.dropout import Dropout
from reid_srdl.models.changes.gem import GeM
from reid_srdl.models.changes.group_norm import GroupNorm
from reid_srdl.models.changes.ibn import IBN
from reid_srdl.models.changes.input_dropout import InputDropout
from reid_srdl.models.changes.last_stride import LastStride
from reid_srdl.models.changes.no_last_relu import NoLastReLU
from reid_srdl.models.changes.non_local import NonLocal
from reid_srdl.models.changes.norm_neck import NormNeck
from reid_srdl.models.changes.normalised import Normalised
from reid_srdl.models.changes.onnx_file import OnnxFile
from reid_srdl.models.changes.part import Part
from reid_srdl.models.changes.stem import Stem

__all__ = [
    "CHANGES",
    "IBN",
    "BNNeck",
    "Bottleneck",
    "Branches",
    "CentredShortcut",
    "Change",
    "Dropout",
    "GeM",
    "GroupNorm",
    "InputDropout",
    "LastStride",
    "NoLastReLU",
    "NonLocal",
    "NormNeck",
    "Normalised",
    "OnnxFile",
    "Part",
    "Stem",
]


class Change(Protocol):
    """A small frozen dataclass, hashable, whose fields are plain values.

    Attributes:
        name: its name in CHANGES and in files.
    """

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


CHANGES: dict[str, type[Change]] = {
    "branches": Branches,
    "part": Part,
    "group_norm": GroupNorm,
    "ibn": IBN,
    "last_stride": LastStride,
    "gem": GeM,
    "bottleneck": Bottleneck,
    "bnneck": BNNeck,
    "dropout": Dropout,
    "input_dropout": InputDropout,
    "stem": Stem,
    "non_local": NonLocal,
    "no_last_relu": NoLastReLU,
    "norm_neck": NormNeck,
    "normalised": Normalised,
    "centred_shortcut": CentredShortcut,
    "onnx_file": OnnxFile,
}
