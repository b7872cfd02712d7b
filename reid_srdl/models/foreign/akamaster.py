"""akamaster's pytorch_resnet_cifar10: ResNets for small images.

Sources (commit d5489e8): resnet.py:54-76,86-125, trainer.py:70,88-89,148-158.
"""

from __future__ import annotations

import re

from reid_srdl.models.changes import CentredShortcut
from reid_srdl.models.foreign.found import Found, State, Told
from reid_srdl.models.foreign.normalisations import IMAGENET
from reid_srdl.models.foreign.parts import below

NAME = "akamaster"

_OURS = {"conv1": "conv", "bn1": "bn", "layer1": "group1", "layer2": "group2", "layer3": "group3"}
_FIRST = re.compile(r"^(conv1|bn1|layer[123])(?=\.)")
_CLASSIFIER = "linear."


def is_of(state: State) -> bool:
    """Says whether these are its keys."""
    return {"linear.weight", "layer3.0.conv1.weight", "conv1.weight"} <= state.keys()


def read(state: State, told: Told) -> Found:
    """Returns the network: trained on CIFAR-10 with ImageNet's normalisation."""
    trunk = {
        _FIRST.sub(lambda found: _OURS[found[1]], key): value
        for key, value in state.items()
        if not key.startswith(_CLASSIFIER)
    }
    ends = {f"classifier.{key}": value for key, value in below(state, _CLASSIFIER).items()}
    return Found(NAME, trunk, ends, (CentredShortcut(), IMAGENET), size=(32, 32))
