"""Any network of timm (PyTorch Image Models), by ``timm:NAME``; timm is an optional package."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.adapters import refuse_unknown
from reid_srdl.models.adapters.parts import replace, size_error, tried
from reid_srdl.models.answering import without_autocast
from reid_srdl.models.network import Network
from reid_srdl.models.state_files import load_all_but_classifier


class TimmTrunk(nn.Module):
    """timm's network up to its classifier.

    Args:
        library: a network with timm's ``forward_features`` and ``forward_head``.
    """

    def __init__(self, library: nn.Module) -> None:
        super().__init__()
        self.library = library

    def forward(self, images: Tensor) -> Tensor:
        """Maps B x 3 x H x W images to B x D features, float32: what timm calls pre-logits."""
        maps = self.library.forward_features(images)  # type: ignore[operator]
        with without_autocast(images.device.type):
            several = isinstance(maps, (list, tuple))  # one for each branch, as CoaT has them
            maps = [m.float() for m in maps] if several else maps.float()
            features: Tensor = self.library.forward_head(maps, pre_logits=True)  # type: ignore[operator]
        return features


def check(name: str) -> None:
    """Raises a UserError where timm is not installed, or with near names where it lacks this one.

    A name may carry the tag of its weights, as in ``resnet50.a1_in1k``; no weights are fetched.
    """
    if importlib.util.find_spec("timm") is None:
        raise UserError(
            f"timm:{name} needs timm, which is not installed",
            "install it: pip install 'reid-srdl[timm]'",
        )
    refuse_unknown("timm", name.partition(".")[0], _timm().list_models())


def build(name: str, classes: int, weights: Path | None, size: tuple[int, int] | None) -> Network:
    """Makes a network whose trunk is timm's up to its classifier.

    The classifier is timm's own where that is one linear layer on the trunk's features, else a new
    linear layer; a network that is made for one input size is made for the wanted one.
    Initialisation is timm's.

    Raises:
        UserError: timm is not installed, an unknown name, a size that the network does not take,
            weights that do not fit.
    """
    check(name)
    full_name = f"timm:{name}"
    library = _library(name, classes, size)
    path, classifier = _classifier(library)
    if weights is not None:
        hint = f"give the file that timm publishes for {name}"
        load_all_but_classifier(library, weights, path, name=full_name, hint=hint)
    if classifier is None:
        library.reset_classifier(0)
    else:
        replace(library, path, nn.Identity())
    trunk = TimmTrunk(library)
    if classifier is None:
        classifier = nn.Linear(_feature_dim(trunk, library, size), classes)
    return tried(Network(trunk, classifier, size), full_name, size)


def _timm() -> Any:
    return importlib.import_module("timm")


def _library(name: str, classes: int, size: tuple[int, int] | None) -> Any:
    timm = _timm()
    before = torch.get_rng_state()
    library = timm.create_model(name, pretrained=False, num_classes=classes)
    if size is None or tuple(library.pretrained_cfg.get("input_size", ())[1:]) == size:
        return library
    if not _is_made_for_one_size(library):
        return library
    torch.set_rng_state(before)  # the network depends on the seed, not on how often it was made
    try:
        return timm.create_model(name, pretrained=False, num_classes=classes, img_size=size)
    except (TypeError, AssertionError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0] or "it is made for one size"
        raise size_error(f"timm:{name}", size, reason) from None


def _is_made_for_one_size(library: nn.Module) -> bool:
    takes = inspect.signature(type(library).__init__).parameters
    return "img_size" in takes or bool(library.pretrained_cfg.get("fixed_input_size"))  # type: ignore[union-attr,operator]


def _classifier(library: Any) -> tuple[str, nn.Linear | None]:
    """Returns path and module of the classifier; no module where it is not one linear layer."""
    module = library.get_classifier()
    paths = [path for path, m in library.named_modules() if m is module]
    if not paths:
        return "", None
    return paths[0], module if isinstance(module, nn.Linear) else None


def _feature_dim(trunk: TimmTrunk, library: Any, size: tuple[int, int] | None) -> int:
    height, width = size or library.pretrained_cfg["input_size"][1:]
    trunk.eval()
    with torch.no_grad():
        features = trunk(torch.zeros(1, 3, height, width))
    trunk.train()
    return int(features.shape[1])
