"""The sets behind ``data.name``: one, or several that are joined, ``market1501+msmt17``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_srdl.config.schema import DataConfig
from reid_srdl.errors import UserError


def sets_of(data: DataConfig) -> tuple[tuple[str, Path | None], ...]:
    """Returns the sets that are joined, or the one, each by its name with its place."""
    names = data.name.split("+")
    return tuple(zip(names, data.dirs or (data.dir,) * len(names), strict=True))


def placed(data: DataConfig, places: Sequence[Path]) -> DataConfig:
    """Returns the section with the data at other places; where none are given, as it is.

    Args:
        data: the section.
        places: one that holds all, or one for each set, in their order.

    Raises:
        UserError: there are other counts of places and sets.
    """
    return data.model_copy(update=place_keys(data.name, places)) if places else data


def place_keys(name: str, places: Sequence[Path]) -> dict[str, Path | tuple[Path, ...] | None]:
    """Returns the keys of the section ``data`` that name one place or more.

    Raises:
        UserError: there are other counts of places and sets.
    """
    count = len(name.split("+"))
    if len(places) == 1:
        return {"dir": places[0], "dirs": ()}
    if len(places) == count:
        return {"dir": None, "dirs": tuple(places)}
    hint = "give one for each, in their order, or one that holds all"
    raise UserError(
        f"--data-dir: {len(places)} places for {name}, which is {count} "
        f"set{'s' if count > 1 else ''}: {', '.join(map(str, places))}",
        hint if count > 1 else "give one; A+B joins several sets",
        usage=True,
    )
