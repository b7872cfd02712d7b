"""layumi's Person_reID_baseline_pytorch: ft_net (ResNet-50) and ft_net_dense (DenseNet-121).

Sources (commit 82ff40f): model.py:74-147,273-291, test.py:195-238,295-317, train.py:57.
"""

from __future__ import annotations

from reid_srdl.errors import UserError
from reid_srdl.models.changes import IBN, Bottleneck, Change, LastStride, NoLastReLU
from reid_srdl.models.foreign.found import Found, State, Told
from reid_srdl.models.foreign.normalisations import IMAGENET
from reid_srdl.models.foreign.parts import BICUBIC, below, has_ibn, neck_of

NAME = "layumi"
TOLD = ("stride", "circle")

_HEAD = "classifier.add_block."
_UNUSED = ("fc.", "classifier.")  # of torchvision's networks, in the file and never called
_STRIDES = {"2": "its default", "1": "trained with its stride 1"}
_CIRCLE = {"no": "its default", "yes": "trained with its circle loss"}


def is_of(state: State) -> bool:
    """Says whether these are its keys."""
    return any(key.startswith(_HEAD) for key in state)


def read(state: State, told: Told) -> Found:
    """Returns the network; its head of 512 values is our bottleneck.

    NOTE: --circle changes what its training computes on the feature, which is ranked alike.

    Raises:
        UserError: the stride or --circle was not told, or the network is a DenseNet of stride 1.
    """
    model = below(state, "model.")
    trunk = {key: value for key, value in model.items() if not key.startswith(_UNUSED)}
    notes = [f"left out: model.{k}, which its code never uses" for k in model if k not in trunk]
    notes.append(BICUBIC)
    dense = "features.conv0.weight" in trunk
    stride = told.choice("stride", _STRIDES, NAME)
    if told.choice("circle", _CIRCLE, NAME) == "yes":
        notes.append("trained with its circle loss: the feature is ranked as without")
    changes: list[Change] = [NoLastReLU()] if dense else []
    if has_ibn(trunk):
        changes.append(IBN())
    if dense and stride == "1":
        raise UserError(
            "layumi's DenseNet-121 with its stride 1 is not read: its last pooling takes windows "
            "of 2 by steps of 1, as no network here does",
            "extract its features with its own code, then: reid-srdl eval --features FILE",
        )
    if stride == "1":
        changes.append(LastStride())
    ends = {f"classifier.{k}": v for k, v in below(state, "classifier.classifier.0.").items()}
    head = below(state, _HEAD)
    if head["0.weight"].dim() == 2:
        changes.append(Bottleneck(len(head["0.weight"])))
        ends |= {f"bottleneck.{key}": value for key, value in head.items()}
    else:  # --linear_num 0: the norm alone
        neck, tensors = neck_of(below(head, "0."), bias=True)
        changes.append(neck)
        ends |= tensors
    named = ("model.", _HEAD, "classifier.classifier.0.")
    trunk |= {k: v for k, v in state.items() if not k.startswith(named)}  # what has no place
    return Found(
        NAME,
        trunk,
        ends,
        (*changes, IMAGENET),
        size=(256, 128),
        evaluation={"distance": "cosine", "flip": True},
        notes=tuple(notes),
    )
