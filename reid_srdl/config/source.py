"""Keys that hold paths: of the machine, and a network's name or a finished run's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, overload

from pydantic import AfterValidator, Field

from reid_srdl.config.section import Section


def run_of(text: str) -> Path | None:
    """Returns the folder of a finished run; None where the text is a network's name.

    A slash makes it a folder, ``./NAME`` one in the working directory.

    >>> run_of("timm:resnet26") is None
    True
    >>> run_of("/runs/teacher").name
    'teacher'
    """
    return Path(text) if "/" in text or "\\" in text else None


@overload
def at_home(path: Path) -> Path: ...
@overload
def at_home(path: None) -> None: ...
@overload
def at_home(path: Path | None) -> Path | None: ...
def at_home(path: Path | None) -> Path | None:
    """Returns a path with ``~`` and ``~name`` replaced, wherever the text came from."""
    # Path.expanduser raises where there is no home.
    return None if path is None else Path(os.path.expanduser(path))  # noqa: PTH111


def _placed(text: str) -> str:
    run = run_of(text)
    return text if run is None else str(run.expanduser().resolve())


def _placed_each(told: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(told, str):
        return _placed(told)
    if not told or not all(map(run_of, told)):
        raise ValueError("a list names finished runs, at least one, each with a slash in it")
    runs = tuple(map(_placed, told))
    if len(set(runs)) < len(runs):
        raise ValueError("one run stands there twice")
    return runs


def _placed_weights(text: str | None) -> str | None:
    return None if text is None else _placed(text)


# A run's folder becomes absolute here, so that it means the same from every working directory.
NetworkOrRun = Annotated[str, Field(min_length=1), AfterValidator(_placed)]
_Name = Annotated[str, Field(min_length=1)]
NetworksOrRuns = Annotated[_Name | tuple[_Name, ...], AfterValidator(_placed_each)]
# A file of weights will do, too; or nothing is named.
NetworkOrWeights = Annotated[str | None, AfterValidator(_placed_weights)]


def run_keys(section: Section) -> list[str]:
    """Returns the keys of a section that name finished runs' folders, or files of weights."""
    return [
        name
        for name, field in type(section).model_fields.items()
        if any(isinstance(m, AfterValidator) and m.func in _PLACING for m in field.metadata)
        and (isinstance(told := getattr(section, name), tuple) or run_of(told or "") is not None)
    ]


_PLACING = (_placed, _placed_each, _placed_weights)
