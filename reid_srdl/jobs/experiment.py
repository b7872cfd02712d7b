"""From keys to an experiment's configuration: data sets bring their defaults, names are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_srdl.config import AnyConfig, DataConfig, merge, resolve
from reid_srdl.data import DATASETS
from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.methods import OPTIONS
from reid_srdl.models import NETWORK_NAMES


def experiment(tree: Mapping[str, Any]) -> AnyConfig:
    """Validates a tree of keys, laid over the defaults of the data set that it names.

    Args:
        tree: sections of keys, as read from YAML with options laid over.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range.
    """
    section = tree.get("data")
    given = section.get("name") if isinstance(section, Mapping) else None
    entry = DATASETS.get(str(given or DataConfig().name))
    whole = merge(entry.defaults, tree) if entry else tree
    config = resolve(whole, OPTIONS, names={"data": DATASETS, "model": NETWORK_NAMES})
    for option, name in config.method.other_models().items():
        if name not in NETWORK_NAMES:
            what = f"method.{option}: no such network {name!r}, and no folder (./{name} would be)"
            raise UserError(what, did_you_mean(name, NETWORK_NAMES), usage=True)
    return config
