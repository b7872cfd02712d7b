"""No method: the configuration of a network that others trained names this one."""

from __future__ import annotations

from reid_srdl.config import MethodOptions

NAME = "imported"


class ImportedOptions(MethodOptions):
    """Nothing is known of how the network was trained."""

    name: str = NAME
