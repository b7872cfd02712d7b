"""Any network of torchreid with one classifier, by ``torchreid:NAME``, e.g. osnet_x1_0."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from reid_srdl.errors import UserError
from reid_srdl.models.adapters import refuse_unknown
from reid_srdl.models.adapters.parts import PreciseSequential, float32_into, replace, tried
from reid_srdl.models.network import Network
from reid_srdl.models.state_files import load_all_but_classifier

_POOLS = ("global_avgpool", "avgpool")


def check(name: str) -> None:
    """Raises a UserError with near names where torchreid has no such network."""
    refuse_unknown("torchreid", name, _builders())


def build(name: str, classes: int, weights: Path | None, size: tuple[int, int] | None) -> Network:
    """Makes a network whose trunk is torchreid's without its classifier.

    The trunk returns what torchreid takes as the feature, B x D, in training and in evaluation; the
    pooling and the layer behind it (``fc``) run in float32 where they are modules of torchreid's
    usual names. Initialisation is torchreid's.

    Raises:
        UserError: an unknown name, a network of several classifiers, a size that the network does
            not take, weights that do not fit.
    """
    check(name)
    full_name = f"torchreid:{name}"
    with warnings.catch_warnings(action="ignore"):
        library = _builders()[name](
            num_classes=classes, loss="softmax", pretrained=False, use_gpu=False
        )
    classifier = getattr(library, "classifier", None)
    if not isinstance(classifier, nn.Linear):
        raise UserError(
            f"{full_name} has several classifiers, each on features of its own",
            "choose a network with one classifier, e.g. torchreid:osnet_x1_0",
            usage=True,
        )
    if weights is not None:
        hint = f"give the file that torchreid publishes for {name}"
        load_all_but_classifier(library, weights, "classifier", name=full_name, hint=hint)
    # Without it, both modes give the same: the classifier's input.
    replace(library, "classifier", nn.Identity())
    for pool in _POOLS:
        if isinstance(found := getattr(library, pool, None), nn.Module):
            float32_into(found)
    if type(tail := getattr(library, "fc", None)) is nn.Sequential:
        library.fc = PreciseSequential(*tail)
    return tried(Network(library, classifier, size), full_name, size)


def _builders() -> dict[str, Callable[..., Any]]:
    with warnings.catch_warnings(action="ignore"):
        from torchreid.reid import models  # imports much, so only when asked for
    table: dict[str, Callable[..., Any]] = vars(models)["__model_factory"]
    return table
