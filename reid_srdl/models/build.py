"""Networks are made here: random or from ImageNet weights, each draw from its own generator."""

from __future__ import annotations

import hashlib
import importlib
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS, ModelEntry, split_name
from reid_srdl.models.adapters import adapter
from reid_srdl.models.network import Network
from reid_srdl.models.state_files import load_all_but_classifier


def build_network(
    name: str,
    classes: int,
    *,
    seed: int,
    imagenet_weights: Path | None = None,
    size: tuple[int, int] | None = None,
) -> Network:
    """Makes a network with a classifier for ``classes`` identities or classes.

    Args:
        name: a row of MODELS, or ``torchvision:NAME``, ``timm:NAME`` or ``torchreid:NAME``.
        classes: C, the classifier's outputs.
        seed: of the initialisation alone; the global generator is left as it was.
        imagenet_weights: the library's file, for the trunk; the classifier stays random.
        size: (height, width) of the input in pixels, which some networks are built for; a
            library's network is tried with it.

    Raises:
        UserError: the library does not know the name or is not installed; the network does not
            take images of this size; the weights file is missing, is not what the library wrote,
            or does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if foreign := split_name(name):
            library, library_name = foreign
            return adapter(library).build(library_name, classes, imagenet_weights, size)
        entry = MODELS[name]
        builder = getattr(importlib.import_module(entry.module), entry.builder)
        if not entry.trunk:
            network: Network = builder(classes)
            return network
        return _from_parts(builder(num_classes=classes), entry, imagenet_weights)


def check_network(name: str, init: str = "random", size: tuple[int, int] | None = None) -> None:
    """Checks that a network of this name can be had here, before anything else is done.

    Args:
        name: as for ``build_network``.
        init: ``random`` or ``imagenet``.
        size: with it, a library's network is built and tried at this input size.

    Raises:
        UserError: the library does not know the name (the message names near ones) or is not
            installed; it does not take images of this size; there are no ImageNet weights for it.
    """
    if foreign := split_name(name):
        library, library_name = foreign
        adapter(library).check(library_name)
        if size is not None:
            build_network(name, 2, seed=0, size=size)
    elif init == "imagenet" and MODELS[name].weights_file is None:
        raise UserError(
            f"model.init: there are no ImageNet weights of {name}",
            "use model.init=random",
            usage=True,
        )


def find_imagenet_weights(name: str, given: Path | None) -> Path:
    """Returns the file with a network's ImageNet weights: the given one, else torch's cache.

    Raises:
        UserError: the file is not there; the hint says what to put where.
    """
    check_network(name, "imagenet")
    if foreign := split_name(name):
        if given is None or not given.is_file():
            where = f"{given}: " if given else "model.weights: "
            raise UserError(
                f"{where}no file with the ImageNet weights of {name}",
                f"fetch the state dictionary that {foreign[0]} publishes (.pth or .safetensors) "
                "and name it with --set model.weights=FILE",
            )
        return given
    file_name = MODELS[name].weights_file
    cached = Path(torch.hub.get_dir()) / "checkpoints" / str(file_name)
    path = given or cached
    if not path.is_file():
        raise UserError(
            f"{path}: ImageNet weights of {name} are not there",
            f"fetch https://download.pytorch.org/models/{file_name} and put it at {cached}, "
            "or name it with --set model.weights=FILE",
        )
    return path


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, so that other weights make another network."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_parts(made: nn.Module, entry: ModelEntry, weights: Path | None) -> Network:
    if weights is not None:
        hint = f"give torchvision's {entry.weights_file}"
        load_all_but_classifier(made, weights, entry.classifier, name=entry.builder, hint=hint)
    parts = OrderedDict((part, getattr(made, part)) for part in entry.trunk)
    if entry.builder.startswith("densenet"):  # its last ReLU is a call in torchvision, no module
        parts["relu"] = nn.ReLU(inplace=True)
    return Network(nn.Sequential(parts), getattr(made, entry.classifier))
