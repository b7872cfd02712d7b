"""From keys to an experiment's configuration: data sets bring their defaults, names are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_srdl.config import AnyConfig, DataConfig, merge, resolve
from reid_srdl.data import DATASETS
from reid_srdl.jobs.rehearsal import placed_method, rehearse
from reid_srdl.methods import OPTIONS
from reid_srdl.models import NETWORK_NAMES


def experiment(tree: Mapping[str, Any]) -> AnyConfig:
    """Validates a tree of keys, laid over the defaults of the data set that it names.

    The method's program is rehearsed, so that what it would refuse is refused here.

    Args:
        tree: sections of keys, as read from YAML with options laid over.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range; or
            what the rehearsal finds.
    """
    section = tree.get("data")
    given = section.get("name") if isinstance(section, Mapping) else None
    entry = DATASETS.get(str(given or DataConfig().name))
    whole = placed_method(merge(entry.defaults, tree) if entry else tree)
    config = resolve(whole, OPTIONS, names={"data": DATASETS, "model": NETWORK_NAMES})
    rehearse(config)
    return config
