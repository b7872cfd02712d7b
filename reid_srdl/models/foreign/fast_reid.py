"""fast-reid's ResNets: BoT, AGW and SBS, in the key styles of 2020 and of later versions.

Sources (commit c9bc3ce; v0.1.1 is 64861ea): fastreid/modeling/backbones/resnet.py:136-140,166-178,
heads/embedding_head.py:71-84,123-129, layers/pooling.py:64-87, config/defaults.py:128-130,299.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from reid_srdl.models.changes import IBN, Change, GeM, LastStride, NonLocal, Stem
from reid_srdl.models.foreign.found import Found, State, Told
from reid_srdl.models.foreign.normalisations import IMAGENET
from reid_srdl.models.foreign.parts import BICUBIC, below, has_ibn, neck_of, normalised_by

NAME = "fast-reid"
TOLD = ("stride", "pool", "p", "recipe")

_NON_LOCAL = re.compile(r"NL_([23])\.(\d+)\.")
_FIRST = {"2": 2, "3": 3}  # the block of a layer behind which its first non-local block stands
_STRIDES = {"1": "its configurations' own", "2": "as in He et al."}
_POOLS = {"ceil": "no padding, since November 2020", "padded": "padded by 1, before"}
_RECIPES = {
    "sbs": "images of 384 x 128, a classifier by cosines",
    "agw": "images of 256 x 128, a linear classifier",
}


def is_of(state: State) -> bool:
    """Says whether these are its keys."""
    necks = ("heads.bnneck.", "heads.bottleneck.")
    return "backbone.conv1.weight" in state and any(key.startswith(necks) for key in state)


def read(state: State, told: Told) -> Found:
    """Returns the network.

    Raises:
        UserError: the keys leave something open that was not told.
    """
    trunk = {_placed(key): value for key, value in below(state, "backbone.").items()}
    heads = below(state, "heads.")
    old = "bnneck.weight" in heads
    prefix = "bnneck." if old else "bottleneck.0."
    neck, ends = neck_of(below(heads, prefix))
    classifier = heads.get("classifier.weight", heads.get("weight"))
    notes = [BICUBIC]
    changes: list[Change] = [IBN()] if has_ibn(trunk) else []
    if told.choice("stride", _STRIDES, NAME, default="1", notes=notes) == "1":
        changes.append(LastStride())
    plain = "padded" if old else "ceil" if "weight" in heads else None
    if told.choice("pool", _POOLS, NAME, default=plain, notes=notes if old else None) == "ceil":
        changes.append(Stem("ceil"))
    attends = any("non_local." in key for key in trunk)
    changes += [NonLocal()] if attends else []
    p = _exponent(heads, attends, told)
    if p is not None:
        changes.append(GeM())
        ends["pooling.p"] = p
    sbs = "pool_layer.p" in heads
    if sbs and "weight" not in heads:  # before November 2020 AGW learned p, too
        sbs = told.choice("recipe", _RECIPES, NAME) == "sbs"
    else:
        told.shown("recipe")
    if sbs and classifier is not None:
        notes.append(
            f"the classifier of {len(classifier)} classes is left out: SBS takes it by cosines, "
            "whose scale and margin the file does not hold"
        )
    elif classifier is not None:
        ends["classifier.weight"] = classifier
    read_here = {"weight", "classifier.weight", "pool_layer.p"}
    rest = {k: v for k, v in heads.items() if k not in read_here and not k.startswith(prefix)}
    trunk |= {f"heads.{key}": value for key, value in rest.items()}  # named as what has no place
    return Found(
        NAME,
        trunk,
        ends,
        (*changes, neck, _normalised(state)),
        size=(384, 128) if sbs else (256, 128),
        evaluation={"distance": "cosine"},
        notes=tuple(notes),
    )


def _placed(key: str) -> str:
    """Returns where a key of the backbone stands here: non-local blocks in the block before them.

    >>> _placed("NL_3.1.g.weight")
    'layer3.4.non_local.g.weight'
    """
    return _NON_LOCAL.sub(
        lambda found: f"layer{found[1]}.{_FIRST[found[1]] + int(found[2])}.non_local.", key
    )


def _exponent(heads: State, attends: bool, told: Told) -> Tensor | None:
    """Returns p of GeM, of which AGW's file of today says nothing; None: average pooling.

    Raises:
        UserError: it is such a file, and p was not told; or it was, and the file holds it.
    """
    if "pool_layer.p" in heads:
        told.shown("p")
        return heads["pool_layer.p"]
    known = told.number("p", f"{NAME}'s AGW: the exponent of GeM, 3 in its configuration", attends)
    return None if known is None else torch.tensor([known])


def _normalised(state: State) -> Change:
    if "pixel_mean" not in state or "pixel_std" not in state:
        return IMAGENET
    return normalised_by(state["pixel_mean"], state["pixel_std"])
