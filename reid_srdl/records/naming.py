"""How methods and configurations are named in tables, so that unlike runs have unlike names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reid_srdl.records.kept import Kind, kept_name, kept_parts

# Where a paper writes its method's name in another way than the command line does.
_TITLES = {"srdl": "SRDL"}


def method_label(name: str, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Returns the method's name with the options that differ from their defaults.

    Args:
        name: the method's name.
        options: the run's options as plain values; the key ``name`` is passed over.
        defaults: the method's defaults, by the same keys.

    >>> method_label("srdl", {"restart": False, "temperature": 3.0}, {"temperature": 3.0})
    'srdl (restart=off)'
    """
    changed = {
        key: value
        for key, value in options.items()
        if key != "name" and (key not in defaults or defaults[key] != value)
    }
    told = ", ".join(f"{key}={show(value)}" for key, value in changed.items())
    return f"{name} ({told})" if told else name


def kept_label(label: str, kind: Kind) -> str:
    """Returns a method's label for other weights of its network.

    >>> kept_label("srdl (restart=off)", "ema")
    'srdl.ema (restart=off)'
    """
    name, space, rest = label.partition(" ")
    return f"{kept_name(name, kind)}{space}{rest}"


def title(label: str) -> str:
    """Returns a method's label as papers write it.

    >>> title("srdl (restart=off)"), title("srdl.ema")
    ('SRDL (restart=off)', 'SRDL.ema')
    """
    name, space, rest = label.partition(" ")
    own, kind = kept_parts(name)
    own = _TITLES.get(own, own)
    return f"{own if kind is None else kept_name(own, kind)}{space}{rest}"


def show(value: Any) -> str:
    """Returns a configuration's value as ``--set`` would take it.

    >>> show(False), show(None), show(0.05), show([0.5, 0.75])
    ('off', 'null', '0.05', '[0.5, 0.75]')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Turns ``{"optim": {"lr": 0.1}}`` into ``{"optim.lr": 0.1}``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{below}": leaf for below, leaf in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def differing_keys(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the keys whose values are not the same in all of ``settings``."""
    keys = dict.fromkeys(key for setting in settings for key in setting)
    return [key for key in keys if len({show(setting.get(key)) for setting in settings}) > 1]


def tell(setting: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Returns ``optim.lr=0.05, model.init=random`` for the given keys of a setting."""
    return ", ".join(f"{key}={show(setting.get(key))}" for key in keys)
