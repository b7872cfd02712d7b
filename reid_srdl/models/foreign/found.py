"""What a foreign file turned out to hold. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from reid_srdl.errors import UserError
from reid_srdl.models.changes import Change

if TYPE_CHECKING:
    from torch import Tensor

    State = Mapping[str, Tensor]
else:
    State = Mapping


@dataclass(frozen=True)
class Found:
    """A network in the words of this project.

    Attributes:
        code: whose it is, e.g. ``fast-reid``.
        changes: what is done to the network that ``--model`` names, in order.
        trunk: tensors by the trunk's own keys.
        ends: tensors by the network's keys of pooling, bottleneck, neck and classifier.
        size: (height, width) that its code feeds it; None: any.
        evaluation: keys of the ``eval`` section by which its code judges it.
        notes: what a reader should know, a line each: what is left out, what was assumed.
    """

    code: str
    trunk: State
    ends: State
    changes: tuple[Change, ...] = ()
    size: tuple[int, int] | None = None
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What the user says of a file that its keys cannot show.

    Attributes:
        values: by name.
        where_needed: they count only where nothing is assumed.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    where_needed: bool = False

    def choice(
        self,
        name: str,
        of: Mapping[str, str],
        code: str,
        *,
        default: str | None = None,
        notes: list[str] | None = None,
    ) -> str:
        """Returns what was told.

        Args:
            name: of the thing, e.g. ``stride``.
            of: what it may be, and what that means.
            code: whose file it is.
            default: what it is where nothing was told; None: it must be.
            notes: gets a line where the default is assumed.

        Raises:
            UserError: nothing was told, or something else.
        """
        given = default is None or not self.where_needed
        value = self.values.get(name, default) if given else default
        told = " or ".join(f"--told {name}={one} ({means})" for one, means in of.items())
        if value is None:
            raise UserError(f"{code}: the keys do not show {name}", f"give {told}", usage=True)
        if value not in of:
            raise UserError(f"--told {name}={value}: not a choice", f"give {told}", usage=True)
        if name not in self.values and notes is not None:
            others = ", ".join(f"--told {name}={one}" for one in of if one != value)
            notes.append(f"assumed: {name} {value}, {of[value]}; else {others}")
        return value

    def shown(self, name: str) -> None:
        """Checks that nothing was told of what the keys show.

        Raises:
            UserError: something was.
        """
        if name in self.values and not self.where_needed:
            what = f"--told {name}={self.values[name]}: the keys of this file show it"
            raise UserError(what, "leave it out", usage=True)

    def number(self, name: str, what: str, needed: bool) -> float | None:
        """Returns a number above 0 that was told; None: none was, nor needed.

        Raises:
            UserError: none was told though needed, or no such number.
        """
        text = self.values.get(name) if needed or not self.where_needed else None
        hint = f"give --told {name}=NUMBER"
        if text is None:
            if needed:
                raise UserError(f"{what}: the keys do not show it", hint, usage=True)
            return None
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < inf:
            raise UserError(f"--told {name}={text}: not a number above 0", hint, usage=True)
        return value


@dataclass(frozen=True)
class Code:
    """A code whose files are read.

    Attributes:
        name: what it is called.
        models: the names of networks as which its files are read.
        is_of: says by a file's keys whether the code wrote it.
        read: turns its tensors into a network here.
        told: what its keys cannot show, of `Told`.
    """

    name: str
    models: tuple[str, ...]
    is_of: Callable[[State], bool]
    read: Callable[[State, Told], Found]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A code whose files are recognised and not read.

    Attributes:
        name: what it is called.
        is_of: says by a file's keys whether the code wrote it.
        why: what it has that no network here has.
    """

    name: str
    is_of: Callable[[State], bool]
    why: str
