"""A network as a value: what is needed to make it, apart from the seed. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.models import MODELS, NETWORK_NAMES
from reid_srdl.models.changes import CHANGES, Branches, Change, Part

_HINT = "train the run again, or name weights that reid-srdl wrote"


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is; ``models.build.build`` makes it.

    Attributes:
        name: a row of MODELS, or ``torchvision:NAME``, ``timm:NAME`` or ``torchreid:NAME``.
        classes: C, the classifier's outputs.
        size: (height, width) of the input in pixels, which some networks are built for; a
            library's network is tried with it. None: the library's own.
        width: channels of the first group, where the table says that the network has widths; None:
            as published.
        channels: of an image: 3, or 1 for grey ones.
        changes: what is done to the network, in this order.

    Raises:
        UserError: no network can be so.

    >>> NetworkSpec("resnet32", 10).key
    '{"classes":10,"name":"resnet32"}'
    """

    name: str
    classes: int
    size: tuple[int, int] | None = None
    channels: int = 3
    changes: tuple[Change, ...] = ()
    width: int | None = None

    def __post_init__(self) -> None:
        if self.name not in NETWORK_NAMES:
            raise UserError(
                f"no network {self.name!r}",
                did_you_mean(str(self.name), NETWORK_NAMES),
                usage=True,
            )
        if not _is_positive(self.classes):
            raise UserError(f"a network of {self.classes!r} classes cannot be", _HINT)
        if self.size is not None and not _is_size(self.size):
            raise UserError(
                f"a network for images of the size {self.size!r} cannot be",
                "give height and width in pixels",
            )
        if isinstance(self.channels, bool) or self.channels not in (1, 3):
            raise UserError(
                f"a network for images of {self.channels!r} channels cannot be",
                "take 3 channels, or 1 for grey images",
            )
        if self.width is not None:
            self._check_width(self.width)
        if self.size is not None:
            object.__setattr__(self, "size", tuple(self.size))
        object.__setattr__(self, "changes", tuple(self.changes))

    def _check_width(self, width: object) -> None:
        entry = MODELS.get(self.name)
        if entry is None or not entry.widths:
            names = ", ".join(name for name, row in MODELS.items() if row.widths)
            what = f"model.width: {self.name} comes in one width"
            raise UserError(what, f"leave it out, or choose from: {names}", usage=True)
        if not _is_positive(width):
            raise UserError(f"a network of the width {width!r} cannot be", _HINT)

    @property
    def key(self) -> str:
        """A text that is the same for equal specs alone, in every process and version."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    def part(self, name: str) -> NetworkSpec:
        """Returns the spec of a part: of the trunk, that of the network without branches."""
        if name == "trunk":
            kept = tuple(change for change in self.changes if not isinstance(change, Branches))
            return replace(self, changes=kept)
        return replace(self, changes=(*self.changes, Part(name)))

    def to_json(self) -> dict[str, Any]:
        """Returns plain values; what is as by default is left out, so that keys outlive fields."""
        plain: dict[str, Any] = {"name": self.name, "classes": self.classes}
        if self.size is not None:
            plain["size"] = list(self.size)
        if self.channels != 3:
            plain["channels"] = self.channels
        if self.width is not None:
            plain["width"] = self.width
        if self.changes:
            plain["changes"] = [_plain(change) for change in self.changes]
        return plain

    @classmethod
    def from_json(cls, plain: object) -> NetworkSpec:
        """Returns the spec that ``to_json`` turned into plain values.

        Raises:
            UserError: it is no spec, or no network can be so.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(plain, dict) or not {"name", "classes"} <= plain.keys() <= known:
            raise UserError("this describes no network", _HINT)
        changes = plain.get("changes", [])
        if not isinstance(changes, list):
            raise UserError("this describes no network", _HINT)
        return cls(**{**plain, "changes": tuple(map(_change, changes))})


def _plain(change: Change) -> dict[str, Any]:
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    return {"change": change.name, **values}


def _change(plain: object) -> Change:
    values = dict(plain) if isinstance(plain, dict) else {}
    name = values.pop("change", None)
    kind = CHANGES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UserError(f"no change of a network is called {name!r}", _HINT)
    wrong = UserError(f"no change {name!r} of a network has the values {values!r}", _HINT)
    if values.keys() != {field.name for field in fields(kind)}:
        raise wrong
    try:
        return kind(**values)
    except (TypeError, ValueError):
        raise wrong from None


def _is_positive(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number > 0


def _is_size(size: object) -> bool:
    return isinstance(size, (tuple, list)) and len(size) == 2 and all(map(_is_positive, size))
