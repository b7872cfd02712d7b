"""Keys: a phase is known by a hash of everything that it depends on, losses by their fields.

Nothing is put together by hand: a field that is added to a loss is part of its key from that day.
A field at its default is left out, as it is in a run's fingerprint: so a field that comes later,
with a default under which nothing changes, leaves every older key as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from reid_srdl.models.spec import NetworkSpec

# Raise it when a default of a dataclass that keys name changes, or what a field means.
FORMAT = 1


@dataclass(frozen=True)
class Keyed:
    """What a key stands for: models, heads and knowledge.

    Attributes:
        key: names the phases and settings that made it.
    """

    key: str


def key_of(**settings: Any) -> str:
    """Returns a hash of settings: plain values, mappings, dataclasses, functions, keyed things.

    Raises:
        TypeError: a setting is of another kind, so that no key could name it for certain.

    >>> key_of(T=3.0) == key_of(T=3.0) != key_of(T=4.0)
    True
    """
    text = json.dumps([FORMAT, described(settings)], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def described(value: Any) -> Any:
    """Returns a value as a tree of JSON that tells it from every other value.

    >>> described((1, 2.5, None))
    [1, 2.5, None]
    """
    if isinstance(value, Keyed | NetworkSpec):
        return {"key": value.key}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        if "__dataclass_fields__" not in vars(type(value)):
            raise TypeError(
                f"no key can name a {type(value).__name__}: decorate it as @dataclass(frozen=True)"
            )
        told = {field.name: described(getattr(value, field.name)) for field in fields(value)}
        changed = {
            field.name: told[field.name]
            for field in fields(value)
            if not _same(told[field.name], default_of(field))
        }
        return {"type": type(value).__qualname__, **changed}
    if isinstance(value, Mapping):
        return [[str(name), described(part)] for name, part in value.items()]  # order counts
    if isinstance(value, tuple | list):
        return [described(part) for part in value]
    if isinstance(value, frozenset):
        return sorted(json.dumps(described(part), sort_keys=True) for part in value)
    if isinstance(value, Callable) and hasattr(value, "__qualname__"):  # type: ignore[arg-type]
        return {"function": value.__qualname__}
    raise TypeError(
        f"no key can name a {type(value).__name__}: make it a dataclass of plain values"
    )


def default_of(field: Field[Any]) -> Any:
    """Returns the default of a dataclass's field; `MISSING` where it must be given."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _same(told: Any, default: Any) -> bool:
    """Says whether what is told is what the default would tell: 1 is neither 1.0 nor true."""
    return default is not MISSING and json.dumps(told) == json.dumps(described(default))


def nested(value: Any) -> Iterator[Any]:
    """Yields a value and everything in its fields, mappings and sequences, outermost first."""
    yield value
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from nested(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from nested(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from nested(part)
