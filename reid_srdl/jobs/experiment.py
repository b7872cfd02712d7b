"""From keys to an experiment's configuration: data sets bring their defaults, names are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_srdl.config import (
    AnyConfig,
    DataConfig,
    MethodOptions,
    keys_of_recipe,
    known_keys,
    lay,
    merge,
    parse_assignments,
    place,
    place_keys,
    read_recipe,
    read_yaml,
    resolve,
    spelled,
)
from reid_srdl.data import DATASET_NAMES, DATASETS, part_names
from reid_srdl.errors import UserError
from reid_srdl.jobs.rehearsal import placed_method, rehearse
from reid_srdl.jobs.starting import placed_start, placed_weights
from reid_srdl.methods import OPTIONS
from reid_srdl.models import NETWORK_NAMES
from reid_srdl.texts import shown


def experiment(tree: Mapping[str, Any]) -> AnyConfig:
    """Validates a tree of keys, laid over its recipe over the defaults of its data set.

    The method's program is rehearsed, so that what it would refuse is refused here.

    Args:
        tree: sections of keys, as read from YAML with options laid over.

    Raises:
        UserError: one line for every key that is unknown, of a wrong type or out of range; or
            what the rehearsal finds.

    >>> experiment({"optim": {"lr": 0.05}}).optim.lr
    0.05
    """
    name = _name(tree)
    part_names(name)  # the schema does not know which sets cannot be joined
    entry = DATASETS.get(name)
    whole = _over_recipe(entry.defaults if entry else {}, tree)
    whole = placed_start(placed_method(placed_weights(whole)))
    config = resolve(whole, OPTIONS, names={"data": DATASET_NAMES, "model": NETWORK_NAMES})
    rehearse(config)
    return config


def _over_recipe(defaults: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Lays a tree over its recipe over defaults, and notes which keys are the recipe's.

    A configuration that was made before says which these are, and holds them.
    """
    section = tree.get("recipe")
    name = section.get("name") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(name, str) or "keys" in section:
        return lay(defaults, tree)
    recipe = read_recipe(name, known_keys(MethodOptions))
    told = {"name": recipe.name, "keys": list(keys_of_recipe(recipe, tree))}
    return {**lay(defaults, recipe.tree, tree), "recipe": {**section, **told}}


def configured(
    given: Mapping[str, Any], file: Path | None, assignments: Sequence[str], origin: str | None
) -> AnyConfig:
    """Lays options over the YAML file over the defaults, or over the run that it starts from.

    Args:
        given: options, by the keys that they are; of ``data.dir`` a list.
        file: YAML of keys; None: none.
        assignments: ``KEY=VALUE``.
        origin: ``RUN:PHASE@EPOCH``, whose configuration lies below.

    Raises:
        UserError: as `experiment`, or a file or an origin that cannot be read.
    """
    assigned = parse_assignments(assignments)
    _check_once(given, assigned)
    tree = merge(read_yaml(file) if file else {}, assigned)
    for path, value in given.items():
        if path != "data.dir":
            place(tree, path, value)
    if origin is not None:
        if tree.get("recipe"):
            raise UserError(
                "--recipe: beside --from, which takes the run's own configuration",
                "leave one of them out",
                usage=True,
            )
        from reid_srdl.jobs.starting import base_of

        base = base_of(origin)
        method = tree.get("method")
        name = method.get("name") if isinstance(method, Mapping) else None
        if name not in (None, base["method"]["name"]):
            base["method"] = {}  # another method has other options
        tree = lay(base, tree)
    if places := given.get("data.dir"):
        tree = merge(tree, {"data": place_keys(_name(tree), places)})
    return experiment(tree)


def _check_once(given: Mapping[str, Any], assigned: Mapping[str, Any]) -> None:
    """Refuses a key that an option and --set give other values: one would count for nothing."""
    for path, value in given.items():
        found: Any = assigned
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        own = value[0] if isinstance(value, list) and len(value) == 1 else value
        if found is not None and str(found) != str(own):
            by = f"as {shown(spelled(own))} by its option, as {shown(spelled(found))} by --set"
            what = f"{path}: given twice, {by}"
            raise UserError(what, "leave one of them out", usage=True)


def _name(tree: Mapping[str, Any]) -> str:
    """Returns the name of a tree's data set, which may be the default."""
    section = tree.get("data")
    name = section.get("name") if isinstance(section, Mapping) else None
    return str(name or DataConfig().name)
