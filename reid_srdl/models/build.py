"""Networks are made here: random or from ImageNet weights, each draw from its own generator."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS, ONNX, ModelEntry, split_name
from reid_srdl.models.adapters import adapter
from reid_srdl.models.applying import apply
from reid_srdl.models.changes import Change
from reid_srdl.models.fetching import imagenet_file
from reid_srdl.models.finding import find_stages
from reid_srdl.models.foreign.first_weights import fill, foreign_code
from reid_srdl.models.graphs.network import onnx_network
from reid_srdl.models.grey import make_grey
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.state_files import load_all_but_classifier, load_trunk, own_trunk


def build(spec: NetworkSpec, *, seed: int, weights: Path | None = None) -> Network:
    """Makes the network that a spec describes; ``network.spec`` is that spec.

    Args:
        spec: what to make.
        seed: of the initialisation alone; the global generator is left as it was. The trunk draws
            first, then the classifier, then the changes in their order.
        weights: a file of the library's, or of a run here, for the trunk; the classifier stays
            random.

    Raises:
        UserError: the library does not know the name or is not installed; the network does not
            take images of this size or of one channel, or cannot be changed so; the weights file
            is missing, is not what the library wrote, or does not fit.
    """
    trunk = None if weights is None else own_trunk(weights)
    code = None if weights is None or trunk is not None else foreign_code(weights, spec.name)
    published = weights if trunk is None and code is None else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if foreign := split_name(spec.name):
            library, name = foreign
            network = adapter(library).build(name, spec.classes, published, spec.size)
            network.name_stages(find_stages(network.trunk, spec.size))
        elif spec.name == ONNX:
            network = onnx_network(spec)
        else:
            network = _of_table(MODELS[spec.name], spec, published)
        if weights is not None and trunk is not None:
            load_trunk(network.trunk, trunk, weights, spec.name)
        network.spec = spec
        if spec.channels == 1 and spec.name != ONNX:  # a file takes what it takes
            make_grey(network)
        for change in spec.changes:
            apply(change, network)
        if weights is not None and code is not None:
            fill(network, weights, *code)
    return network


def check_network(
    name: str,
    init: str = "random",
    size: tuple[int, int] | None = None,
    changes: tuple[Change, ...] = (),
) -> None:
    """Checks that a network of this name can be had here, before anything else is done.

    Args:
        name: as for a spec.
        init: ``random`` or ``imagenet``.
        size: with it, a library's network is built and tried at this input size.
        changes: what is to be done to it.

    Raises:
        UserError: the library does not know the name (the message names near ones) or is not
            installed; it does not take images of this size or a change; there are no ImageNet
            weights for it.
    """
    if name == ONNX:
        onnx_network(NetworkSpec(name, 2))  # tells that it is not trained here
    if foreign := split_name(name):
        library, library_name = foreign
        adapter(library).check(library_name)
        if size is not None:
            build(NetworkSpec(name, 2, size, changes=changes), seed=0)
    elif init == "imagenet" and MODELS[name].weights_file is None:
        raise UserError(
            f"model.init: there are no ImageNet weights of {name}",
            "use --init random",
            usage=True,
        )
    elif changes:
        with torch.device("meta"):  # nothing is computed
            build(NetworkSpec(name, 2, size, changes=changes), seed=0)


def find_imagenet_weights(name: str, given: Path | None) -> Path:
    """Returns the file with a network's ImageNet weights: the given one, else the library's own.

    Raises:
        UserError: there are none, or they are not there and cannot be fetched; the hint says which
            file to put where.
    """
    if given is not None:
        return find_weights(given)
    check_network(name, "imagenet")
    return imagenet_file(name)


def find_weights(given: Path) -> Path:
    """Returns a file of first weights.

    Raises:
        UserError: it is not there.
    """
    if not given.is_file():
        what = f"model.weights: {given}: no such file"
        raise UserError(what, "name a state dictionary, .pth or .safetensors", usage=True)
    return given


def check_weights(spec: NetworkSpec, weights: Path) -> None:
    """Checks that a file of first weights can be read and fits, before anything else is done.

    Raises:
        UserError: as `build`.
    """
    build(spec, seed=0, weights=weights)


def _of_table(entry: ModelEntry, spec: NetworkSpec, weights: Path | None) -> Network:
    if weights is not None and not entry.trunk:
        raise UserError(
            f"{weights}: these are not the weights of {entry.builder}",
            "give the weights file of a run on this network: RUN/weights/NAME.safetensors",
        )
    builder = getattr(importlib.import_module(entry.module), entry.builder)
    network: Network
    if entry.trunk:
        network = _from_parts(builder(num_classes=spec.classes), entry, weights)
    elif spec.width is not None:
        network = builder(spec.classes, spec.width)
    else:
        network = builder(spec.classes, spec.size) if entry.sized else builder(spec.classes)
    network.name_stages({path.rpartition(".")[2]: path for path in entry.stages})
    return network


def _from_parts(made: nn.Module, entry: ModelEntry, weights: Path | None) -> Network:
    if weights is not None:
        hint = f"give torchvision's {entry.weights_file}"
        load_all_but_classifier(made, weights, entry.classifier, name=entry.builder, hint=hint)
    parts = OrderedDict((part, getattr(made, part)) for part in entry.trunk)
    if entry.builder.startswith("densenet"):  # its last ReLU is a call in torchvision, no module
        parts["relu"] = nn.ReLU(inplace=True)
    return Network(nn.Sequential(parts), getattr(made, entry.classifier))
