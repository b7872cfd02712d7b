"""The names of a network's stages by its spec; of the table's networks without torch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS
from reid_srdl.models.changes import Branches, Part
from reid_srdl.models.spec import NetworkSpec


def stage_names(spec: NetworkSpec) -> tuple[str, ...]:
    """Returns the names of a network's stages, from shallow to deep.

    Raises:
        UserError: the network has none.
    """
    entry = MODELS.get(spec.name)
    if entry is not None and not any(isinstance(change, Part) for change in spec.changes):
        names = tuple(path.rpartition(".")[2] for path in entry.stages)
    else:
        names = _found(spec)
    if not names:
        raise UserError(
            f"{spec.name} has no stages that can be asked for",
            "choose a network that has them, e.g. resnet18",
            usage=True,
        )
    return names


@cache
def _found(spec: NetworkSpec) -> tuple[str, ...]:
    """Returns the stages of a network that is built for it, once; branches begin at stages."""
    from reid_srdl.models.build import build  # brings torch, for a library's network

    changes = spec.changes
    if not any(isinstance(change, Part) for change in changes):
        changes = tuple(change for change in changes if not isinstance(change, Branches))
    return build(replace(spec, changes=changes), seed=0).stages
