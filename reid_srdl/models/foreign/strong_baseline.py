"""reid-strong-baseline's ResNet-50 and ResNet-50-IBN-a.

Sources (commit 3da7e6f): modeling/baseline.py:135-177, modeling/backbones/resnet.py:97,125,
modeling/backbones/resnet_ibn_a.py:93,117-141, config/defaults.py:25-34,60-62.
"""

from __future__ import annotations

from reid_srdl.models.changes import IBN, Change, LastStride, Stem
from reid_srdl.models.foreign.found import Found, State, Told
from reid_srdl.models.foreign.normalisations import IMAGENET
from reid_srdl.models.foreign.parts import below, has_ibn, neck_of

NAME = "reid-strong-baseline"
TOLD = ("stride",)

_UNUSED = "fc."
_STRIDES = {"1": "its default", "2": "as in configs/baseline.yml"}
_TWIN = (
    "taken for reid-strong-baseline's: TransReID's ResNet-50, of the same keys, pools otherwise "
    "and is not read"
)


def is_of(state: State) -> bool:
    """Says whether these are its keys."""
    return {"base.conv1.weight", "classifier.weight"} <= state.keys()


def read(state: State, told: Told) -> Found:
    """Returns the network; without its neck (MODEL.NECK no) the last stride must be told.

    Raises:
        UserError: so.
    """
    base = below(state, "base.")
    trunk = {key: value for key, value in base.items() if not key.startswith(_UNUSED)}
    notes = [f"left out: base.{key}, which its code never uses" for key in base if key not in trunk]
    ends = {f"classifier.{key}": value for key, value in below(state, "classifier.").items()}
    norm = below(state, "bottleneck.")
    changes: list[Change] = []
    if has_ibn(trunk):
        changes.append(IBN())
    else:
        changes.append(Stem("no-relu"))
        notes.append(_TWIN)
    default = "1" if norm else None
    if told.choice("stride", _STRIDES, NAME, default=default, notes=notes) == "1":
        changes.append(LastStride())
    if norm:
        neck, tensors = neck_of(norm, bias="classifier.bias" in ends)
        changes.append(neck)
        ends |= tensors
    return Found(
        NAME,
        trunk,
        ends,
        (*changes, IMAGENET),
        size=(256, 128),
        evaluation={"normalize": True},
        notes=tuple(notes),
    )
