"""Networks are made here: random or from ImageNet weights, each draw from its own generator."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS, ModelEntry
from reid_srdl.models.network import Network

# torchvision's DenseNet files date from a release that named these layers with a dot.
_OLD_DENSENET_KEY = re.compile(
    r"^(features\..*denselayer\d+\.(?:norm|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$"
)


def build_network(
    name: str, classes: int, *, seed: int, imagenet_weights: Path | None = None
) -> Network:
    """Makes a network with a classifier for ``classes`` identities.

    Args:
        name: a row of MODELS.
        classes: C, the classifier's outputs.
        seed: of the initialisation alone; the global generator is left as it was.
        imagenet_weights: torchvision's file, for the trunk; the classifier stays random.

    Raises:
        UserError: the weights file is missing, is not what torchvision wrote, or does not fit.
    """
    entry = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        library_network = getattr(torchvision.models, entry.builder)(num_classes=classes)
    if imagenet_weights is not None:
        _load_all_but_classifier(library_network, imagenet_weights, entry)
    parts = OrderedDict((part, getattr(library_network, part)) for part in entry.trunk)
    if entry.builder.startswith("densenet"):  # its last ReLU is a call in torchvision, no module
        parts["relu"] = nn.ReLU(inplace=True)
    return Network(nn.Sequential(parts), getattr(library_network, entry.classifier))


def find_imagenet_weights(name: str, given: Path | None) -> Path:
    """Returns the file with torchvision's ImageNet weights: the given one, else torch's cache.

    Raises:
        UserError: the file is not there; the hint says what to put where.
    """
    file_name = MODELS[name].weights_file
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
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


def _load_all_but_classifier(network: nn.Module, path: Path, entry: ModelEntry) -> None:
    weights = _read_torch_file(path)
    trunk = {
        _OLD_DENSENET_KEY.sub(r"\1\2", key): value
        for key, value in weights.items()
        if not key.startswith(f"{entry.classifier}.")
    }
    try:
        missing = network.load_state_dict(trunk, strict=False)
        fits = not missing.unexpected_keys and all(
            key.startswith(f"{entry.classifier}.") for key in missing.missing_keys
        )
    except RuntimeError:  # shapes differ
        fits = False
    if not fits:
        raise UserError(
            f"{path}: these are not the weights of {entry.builder}",
            f"give torchvision's {entry.weights_file}",
        )


def _read_torch_file(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of foreign pickles, refused below
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError):
        weights = None
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise UserError(
            f"{path}: not a file of plain weights; nothing in it was executed",
            "give a state dictionary as torchvision publishes it",
        )
    return weights
