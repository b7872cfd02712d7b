"""What each change of a network does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reid_srdl.models import ONNX
from reid_srdl.models.answering import Answering
from reid_srdl.models.branch import add_branches
from reid_srdl.models.changes import (
    IBN,
    BNNeck,
    Bottleneck,
    Branches,
    CentredShortcut,
    Change,
    Dropout,
    GeM,
    GroupNorm,
    InputDropout,
    LastStride,
    NoLastReLU,
    NonLocal,
    Normalised,
    NormNeck,
    OnnxFile,
    Part,
    Stem,
)
from reid_srdl.models.ends import add_bottleneck, add_dropout, add_neck, add_norm_neck
from reid_srdl.models.gem import GeMPooling, add_gem
from reid_srdl.models.group_norm import add_group_norm, add_group_norm_to_branch
from reid_srdl.models.ibn import add_ibn
from reid_srdl.models.last_stride import drop_last_stride
from reid_srdl.models.network import Network
from reid_srdl.models.non_local import add_non_local
from reid_srdl.models.part import cut_down
from reid_srdl.models.perceptron import drop_hidden, drop_inputs
from reid_srdl.models.refusing import refused
from reid_srdl.models.stem import centre_shortcuts, change_stem, drop_last_relu

_DOES: dict[type[Change], Callable[[Network, Any], None]] = {
    Branches: lambda network, _: _branch(network),
    Part: lambda network, change: cut_down(network, change.of),
    GroupNorm: lambda network, change: add_group_norm(network, change.groups),
    IBN: lambda network, _: add_ibn(network),
    LastStride: lambda network, _: drop_last_stride(network),
    GeM: lambda network, change: add_gem(network, change.p),
    Bottleneck: lambda network, change: add_bottleneck(network, change.width),
    BNNeck: lambda network, _: add_neck(network),
    Dropout: lambda network, change: _drop(network, change.p),
    InputDropout: lambda network, change: drop_inputs(network, change.p),
    Stem: lambda network, change: change_stem(network, change.kind),
    NonLocal: lambda network, _: add_non_local(network),
    NoLastReLU: lambda network, _: drop_last_relu(network),
    NormNeck: lambda network, change: add_norm_neck(network, bias=change.bias),
    CentredShortcut: lambda network, _: centre_shortcuts(network),
    Normalised: lambda network, _: None,  # no layer changes
    OnnxFile: lambda network, _: _check_onnx(network),
}

# What a branch ends with, too: it answers as its network does.
_OF_BRANCHES: dict[type[Change], Callable[[Answering, Any], None]] = {
    GroupNorm: lambda branch, change: add_group_norm_to_branch(branch, change.groups),
    GeM: lambda branch, change: setattr(branch, "pooling", GeMPooling(change.p)),
    Bottleneck: lambda branch, change: add_bottleneck(branch, change.width),
    BNNeck: lambda branch, _: add_neck(branch),
    Dropout: lambda branch, change: add_dropout(branch, change.p),
    NormNeck: lambda branch, change: add_norm_neck(branch, bias=change.bias),
}


def apply(change: Change, network: Network) -> None:
    """Changes a network, drawing new weights from the global generator.

    Raises:
        UserError: this network cannot be changed so, or no longer.
    """
    if not isinstance(change, Branches | Part):
        if network.branches or network.cut is not None:
            raise refused(network, change.name, "changes come before branches")
        if [type(one) for one in network.spec.changes].count(type(change)) > 1:
            raise refused(network, change.name, "each change comes once")
    _DOES[type(change)](network, change)


def _check_onnx(network: Network) -> None:
    if network.spec.name != ONNX:
        raise refused(network, "what is known of an ONNX file", "it is none")


def _drop(network: Network, p: float) -> None:
    add_dropout(network, p)
    drop_hidden(network, p)


def _branch(network: Network) -> None:
    add_branches(network)
    for change in network.spec.changes:
        if does := _OF_BRANCHES.get(type(change)):
            for branch in network.branches.values():
                assert isinstance(branch, Answering)
                does(branch, change)
