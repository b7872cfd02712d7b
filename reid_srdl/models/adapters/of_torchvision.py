"""Any classification network of torchvision, by ``torchvision:NAME``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torchvision
from torch import nn

from reid_srdl.models.adapters import refuse_unknown
from reid_srdl.models.adapters.parts import (
    PreciseSequential,
    float32_into,
    float32_out_of,
    last_linear,
    replace,
    size_error,
    tried,
)
from reid_srdl.models.network import Network
from reid_srdl.models.state_files import load_all_but_classifier

_MAPS = ("features", "layers", "conv5")  # what gives the last maps where the pooling is a call


def check(name: str) -> None:
    """Raises a UserError with near names where torchvision has no such classification network."""
    refuse_unknown("torchvision", name, _names())


def build(name: str, classes: int, weights: Path | None, size: tuple[int, int] | None) -> Network:
    """Makes a network whose trunk is torchvision's without its last linear layer.

    The trunk returns the classifier's own input, B x D; its pooling and what comes behind it run in
    float32. Initialisation is torchvision's.

    Raises:
        UserError: an unknown name, a size that the network does not take, weights that do not fit.
    """
    check(name)
    full_name = f"torchvision:{name}"
    library = _library(name, classes, size)
    found = last_linear(library)
    if found is None:  # SqueezeNet: its classifier is a 1x1 convolution, then pooled
        path, classifier = "classifier", nn.Linear(_channels(library), classes)
        kept: nn.Module = nn.AdaptiveAvgPool2d(1)
    else:
        (path, classifier), kept = found, nn.Identity()
    if weights is not None:
        hint = f"give the file that torchvision publishes for {name}"
        load_all_but_classifier(library, weights, path, name=full_name, hint=hint)
    replace(library, path, kept)
    _keep_precise(library)
    return tried(Network(library, classifier, size), full_name, size)


def _names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


def _library(name: str, classes: int, size: tuple[int, int] | None) -> nn.Module:
    options: dict[str, Any] = {"num_classes": classes}
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    if size is not None and name.startswith("vit_"):
        if size[0] != size[1]:
            raise size_error(f"torchvision:{name}", size, "it takes square ones")
        options["image_size"] = size[0]
    if size is not None and name.startswith("maxvit"):
        options["input_size"] = size
    try:
        with warnings.catch_warnings(action="ignore"):
            network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    except (ValueError, AssertionError) as error:  # of vision transformers, about the size
        if size is None:
            raise
        raise size_error(f"torchvision:{name}", size, str(error)) from None
    return network


def _channels(squeezenet: nn.Module) -> int:
    last = [m for m in squeezenet.get_submodule("classifier").modules() if type(m) is nn.Conv2d][-1]
    return last.in_channels


def _keep_precise(library: nn.Module) -> None:
    """Makes pooling, and the layers between pooling and classifier, run in float32."""
    children = dict(library.named_children())
    pool = children.get("avgpool")
    if pool is not None:
        float32_into(pool)
    elif "encoder" in children:  # a vision transformer: the last norm makes its features
        float32_into(library.get_submodule("encoder.ln"))
    for part in _MAPS if pool is None else ():
        if part in children:
            float32_out_of(children[part])
    if type(tail := children.get("classifier")) is nn.Sequential:
        library.classifier = PreciseSequential(*tail)
