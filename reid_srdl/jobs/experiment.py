"""From keys to an experiment's configuration: data sets bring their defaults, names are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_srdl.config import (
    AnyConfig,
    DataConfig,
    lay,
    merge,
    parse_assignments,
    place,
    read_yaml,
    resolve,
)
from reid_srdl.data import DATASETS
from reid_srdl.jobs.rehearsal import placed_method, rehearse
from reid_srdl.jobs.starting import placed_start
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
    whole = placed_start(placed_method(lay(entry.defaults if entry else {}, tree)))
    config = resolve(whole, OPTIONS, names={"data": DATASETS, "model": NETWORK_NAMES})
    rehearse(config)
    return config


def configured(
    given: Mapping[str, Any], file: Path | None, assignments: Sequence[str], origin: str | None
) -> AnyConfig:
    """Lays options over the YAML file over the defaults, or over the run that it starts from.

    Args:
        given: options, by the keys that they are.
        file: YAML of keys; None: none.
        assignments: ``KEY=VALUE``.
        origin: ``RUN:PHASE@EPOCH``, whose configuration lies below.

    Raises:
        UserError: as `experiment`, or a file or an origin that cannot be read.
    """
    tree = merge(read_yaml(file) if file else {}, parse_assignments(assignments))
    for path, value in given.items():
        place(tree, path, value)
    if origin is not None:
        from reid_srdl.jobs.starting import base_of

        base = base_of(origin)
        name = tree.get("method", {}).get("name")
        if name not in (None, base["method"]["name"]):
            base["method"] = {}  # another method has other options
        tree = lay(base, tree)
    return experiment(tree)
