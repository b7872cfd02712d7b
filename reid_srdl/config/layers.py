"""Layers of keys, from a data set's defaults to the user's own: who says how large a batch is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from reid_srdl.config.tree import merge


def lay(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns trees of keys laid over each other, the last on top.

    Where they end in batches of P identities with K images each, ``optim.batch_size`` follows the
    layer that says so: what a layer below says of it no longer counts. What the same layer or one
    above says of it stays, and is checked with the rest of the configuration.

    >>> lay({"optim": {"batch_size": 32}}, {"sampler": {"identities": 4, "images": 2}})["optim"]
    {'batch_size': 8}
    """
    tree: dict[str, Any] = reduce(merge, layers, {})
    sizes = [_key(tree, "sampler", key) for key in ("identities", "images")]
    sound = isinstance(tree.get("optim", {}), Mapping) and all(type(size) is int for size in sizes)
    if not sound:
        return tree  # shuffled, or a slip that the schema tells
    above: dict[str, Any] = reduce(merge, layers[_last(layers, "sampler") :], {})
    if _key(above, "optim", "batch_size") is None:
        return merge(tree, {"optim": {"batch_size": sizes[0] * sizes[1]}})
    return tree


def _last(layers: tuple[Mapping[str, Any], ...], section: str) -> int:
    """Returns the place of the last layer that says something in a section."""
    return max(place for place, layer in enumerate(layers) if layer.get(section))


def _key(tree: Mapping[str, Any], section: str, key: str) -> Any:
    keys = tree.get(section)
    return keys.get(key) if isinstance(keys, Mapping) else None
