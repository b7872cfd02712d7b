"""Other weights of a network that a run keeps beside the last epoch's, and how they are called."""

from __future__ import annotations

from typing import Literal

Kind = Literal["ema", "best"]

KINDS: tuple[Kind, ...] = ("ema", "best")


def kept_name(network: str, kind: Kind) -> str:
    """Returns the name of a network's other weights.

    >>> kept_name("srdl", "ema")
    'srdl.ema'
    """
    return f"{network}.{kind}"


def kept_parts(name: str) -> tuple[str, Kind | None]:
    """Returns the network's own name, and which of its weights a name means; None: the last.

    >>> kept_parts("srdl.best"), kept_parts("srdl"), kept_parts("a.b")
    (('srdl', 'best'), ('srdl', None), ('a.b', None))
    """
    for kind in KINDS:
        if name.endswith(f".{kind}"):
            return name.removesuffix(f".{kind}"), kind
    return name, None
