"""Networks of other libraries as networks of ours: one file per library, a row each here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

from reid_srdl.errors import UserError, did_you_mean
from reid_srdl.models.network import Network


class Adapter(Protocol):
    """What an adapter's module offers."""

    def check(self, name: str) -> None:
        """Raises a UserError where the library is not installed or does not know the name."""

    def build(
        self, name: str, classes: int, weights: Path | None, size: tuple[int, int] | None
    ) -> Network:
        """Makes a network, drawing from the global generator; see `models.build.build`."""


_ADAPTERS = {
    "torchvision": "reid_srdl.models.adapters.of_torchvision",
    "timm": "reid_srdl.models.adapters.of_timm",
    "torchreid": "reid_srdl.models.adapters.of_torchreid",
}


def adapter(library: str) -> Adapter:
    """Returns a library's adapter; the library itself is imported when it is used."""
    return cast(Adapter, importlib.import_module(_ADAPTERS[library]))


def refuse_unknown(library: str, name: str, known: Iterable[str]) -> None:
    """Raises a UserError with the nearest names where a library does not know a name."""
    known = list(known)
    if name not in known:
        hint = did_you_mean(name, known)
        if len(hint) > 300:  # the whole list of a large library is no help
            hint = f"choose one of {library}'s {len(known)} names, e.g. {known[0]!r}"
        raise UserError(f"{library} has no network {name!r}", hint, usage=True)
