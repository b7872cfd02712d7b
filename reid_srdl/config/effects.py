"""Settings that contradict each other, or that nothing reads: told before anything is computed.

A key that another one switches on is marked where it is written,
``Annotated[int, If("method", "k-reciprocal")]``; what else must hold between the keys of a section
stands in its ``contradictions``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from reid_srdl.config.section import Section, default_of
from reid_srdl.config.tree import spelled


@dataclass(frozen=True, init=False)
class If:
    """Marks a key that is read only where another key of its section has one of some values.

    Args:
        key: the other key.
        values: of the other key; none given: any but nothing.
    """

    key: str
    values: tuple[Any, ...]

    def __init__(self, key: str, *values: Any) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "values", values)

    def holds(self, section: Section) -> bool:
        """Says whether the key is read; in a section that lacks the other key, it is."""
        if self.key not in type(section).model_fields:
            return True
        value = getattr(section, self.key)
        return value in self.values if self.values else value is not None


@dataclass(frozen=True)
class Contradiction:
    """Two settings that do not go together.

    Attributes:
        key: the key that messages name, as a path.
        what: what is wrong with it.
        change: a key and the value that mends it, or None.
        unread: nothing reads the key, so that it may as well be left out.
    """

    key: str
    what: str
    change: tuple[str, Any] | None
    unread: bool = False


Asked = Callable[[str, Any, FieldInfo], bool]


def not_default(path: str, value: Any, field: FieldInfo) -> bool:
    """Says whether a key was asked for: it differs from its default."""
    return bool(value != default_of(field))


def contradictions(
    section: Section, above: str = "", asked: Asked = not_default
) -> Iterator[Contradiction]:
    """Yields what does not go together in a section and in those below it.

    Args:
        section: a validated section.
        above: its path, with a dot at its end.
        asked: says whether somebody asked for a key, by its path, value and field: only then it
            matters that nothing reads it.
    """
    for key, what, change in section.contradictions():
        mended = None if change is None else (above + change[0], change[1])
        yield Contradiction(above + key, what, mended)
    for name, field in type(section).model_fields.items():
        path, value = above + (field.alias or name), getattr(section, name)
        if isinstance(value, Section):
            yield from contradictions(value, f"{path}.", asked)
        elif asked(path, value, field):
            for mark in _marks(field):
                if not mark.holds(section):
                    yield _unread(section, mark, path, above)


def _unread(section: Section, mark: If, path: str, above: str) -> Contradiction:
    now = getattr(section, mark.key)
    what = f"nothing reads it while {above}{mark.key} is "
    what += "not given" if now is None else spelled(now)
    change = (above + mark.key, mark.values[0]) if mark.values else None
    return Contradiction(path, what, change, unread=True)


def _marks(field: FieldInfo) -> Collection[If]:
    return [mark for mark in field.metadata if isinstance(mark, If)]
