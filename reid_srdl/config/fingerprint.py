"""What a run computes, as a hash: the same hash, the same numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from reid_srdl.config.schema import Config
from reid_srdl.config.section import Section, default_of
from reid_srdl.config.start import parse_start

# Raise it when a default changes, or what a key means: keys at their defaults are not hashed, so
# a new key with a default that changes nothing leaves every fingerprint as it is.
FORMAT = 1

# Keys that hold paths of the machine, and all keys that say where or on what a run happens.
PATHS = ("run.dir", "run.shared", "data.dir", "data.dirs", "model.weights")
PLACES = (
    *PATHS,
    *("run.name", "train.device", "train.threads", "train.checkpoint_minutes"),
    "train.graph",
    *("eval.enabled", "eval.engine", "recipe.keys", "watch.gradients"),
)


def fingerprint(config: Config[Any], *, without: Iterable[str] = ()) -> str:
    """Returns a hash of what a run computes.

    It is made of `FORMAT`, the method's name, and the keys that differ from the defaults of the
    schema and of the method's options; never of places, nor of the keys in ``without``.
    """
    told = dict(changed_keys(config))
    for path in (*PLACES, *without):
        told.pop(path, None)
    told["method.name"] = Path(config.method.name).name  # of a file of one's own without its folder
    if config.model.start is not None:  # of a checkpoint its content
        told["model.start"] = parse_start(config.model.start).digest
    text = json.dumps({"format": FORMAT, "keys": told}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def changed_keys(section: Section, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yields path and plain value of each key that differs from its default, or has none."""
    plain = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        key, value = field.alias or name, getattr(section, name)
        if isinstance(value, Section):
            yield from changed_keys(value, f"{above}{key}.")
        elif (default := default_of(field)) is PydanticUndefined or value != default:
            yield f"{above}{key}", plain[key]
