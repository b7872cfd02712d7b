"""Trees of keys: read from YAML and from assignments, laid over each other, written back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_srdl.config.section import Section
from reid_srdl.errors import UserError
from reid_srdl.places import read_text
from reid_srdl.texts import shown

# yaml is imported where it is used: --help needs the schema, not the parser.


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a configuration file.

    Raises:
        UserError: the file is not there, is not YAML, or does not hold keys and values.
    """
    from reid_srdl.yaml_text import read_yaml_text

    try:
        text = read_text(path, "the configuration")
    except UserError as error:
        raise UserError(error.what, "give --config a YAML file", usage=True) from None
    tree = read_yaml_text(text, str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds no keys", "write sections like 'optim:' in it", usage=True)
    return tree


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turns ``["optim.lr=0.05", ...]`` into a nested tree; values are read as YAML.

    Raises:
        UserError: an assignment has no ``=``, its value is not YAML, or a key stands twice, with
            other values: one of them would count for nothing.
    """
    from reid_srdl.yaml_text import read_yaml_text

    tree: dict[str, Any] = {}
    hint = "write it as --set section.key=value, e.g. --set optim.lr=0.05"
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise UserError(f"--set {shown(assignment)}: not an assignment", hint, usage=True)
        value = read_yaml_text(text, f"--set {shown(assignment)}", hint)
        own: dict[str, Any] = {}
        place(own, path, value)
        _check_once(tree, own)
        if isinstance(value, Mapping):  # lest it replace what other assignments say of its section
            tree = merge(tree, own)
        else:
            place(tree, path, value)
    return tree


def _check_once(tree: Mapping[str, Any], own: Mapping[str, Any], above: str = "") -> None:
    for key, value in own.items():
        found, path = tree.get(key, value), f"{above}{key}"
        if isinstance(found, Mapping) and isinstance(value, Mapping):
            _check_once(found, value, f"{path}.")
        elif isinstance(found, Mapping) or isinstance(value, Mapping):
            continue  # a section that is a value is told as such
        elif spelled(found) != spelled(value):
            both = f"as {shown(spelled(found))} and as {shown(spelled(value))}"
            what = f"{path}: given twice by --set, {both}"
            raise UserError(what, "leave one of them out", usage=True)


def spelled(value: Any) -> str:
    """Returns a value as YAML spells it, in one line.

    >>> spelled(False), spelled(None), spelled("none"), spelled((0.5, 0.75))
    ('false', 'null', 'none', '[0.5, 0.75]')
    """
    return value if isinstance(value, str) else json.dumps(value, default=str)


def place(tree: dict[str, Any], path: str, value: Any) -> None:
    """Sets ``tree[a][b] = value`` for the path ``a.b``.

    Raises:
        UserError: a value stands where a section should: it would be lost without a word.
    """
    *sections, key = path.split(".")
    for place, section in enumerate(sections, start=1):
        child = tree.setdefault(section, {})
        if child is None:
            child = tree[section] = {}
        if not isinstance(child, dict):
            above = ".".join(sections[:place])
            what = f"{above}: a section, not a value (got {shown(child)})"
            raise UserError(what, f"{above}: set a key of it, e.g. {path}", usage=True)
        tree = child
    tree[key] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``base`` with the keys of ``over`` laid over it, section by section.

    A value in place of a section stays: to read the tree tells it.
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        elif not isinstance(value, Mapping) or below is None:
            merged[key] = value
    return merged


def to_yaml(config: Section) -> str:
    """Returns the whole configuration as YAML, as a run's folder keeps it."""
    import yaml

    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
