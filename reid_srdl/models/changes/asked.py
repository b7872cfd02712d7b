"""The changes that a configuration asks for. Imports no torch."""

from __future__ import annotations

from reid_srdl.config.schema import ModelConfig
from reid_srdl.models.changes import (
    IBN,
    BNNeck,
    Bottleneck,
    CentredShortcut,
    Change,
    Dropout,
    GeM,
    GroupNorm,
    InputDropout,
    LastStride,
    NoLastReLU,
    NonLocal,
    Stem,
)

# The key of ``model`` that asks for a change.
KEYS: dict[type[Change], str] = {
    IBN: "ibn",
    LastStride: "last_stride",
    GeM: "pooling",
    Bottleneck: "bottleneck",
    BNNeck: "neck",
    Dropout: "dropout",
}


def changes_of(model: ModelConfig) -> tuple[Change, ...]:
    """Returns what the section ``model`` changes of a network: its trunk first, then its end."""
    changes: list[Change] = []
    if model.norm == "group":
        changes.append(GroupNorm())
    if model.ibn != "none":
        changes.append(IBN(model.ibn))
    if model.last_stride is not None:
        changes.append(LastStride(model.last_stride))
    if model.stem != "plain":
        changes.append(Stem(model.stem))
    if model.non_local:
        changes.append(NonLocal())
    if not model.last_relu:
        changes.append(NoLastReLU())
    if model.shortcut == "centred":
        changes.append(CentredShortcut())
    if model.pooling == "gem":
        changes.append(GeM())
    if model.bottleneck is not None:
        changes.append(Bottleneck(model.bottleneck))
    if model.neck == "bnneck":
        changes.append(BNNeck())
    if model.dropout:
        changes.append(Dropout(model.dropout))
    if model.input_dropout:
        changes.append(InputDropout(model.input_dropout))
    return tuple(changes)
