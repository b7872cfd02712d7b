"""The names of a network's stages by its spec; of the table's networks without torch."""

from __future__ import annotations

from functools import lru_cache

from reid_srdl.errors import UserError
from reid_srdl.models import MODELS
from reid_srdl.models.changes import Part
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
        names = _built(spec)
    if not names:
        raise UserError(
            f"{spec.name} has no stages that can be asked for",
            "choose a network that has them, e.g. resnet18",
            usage=True,
        )
    return names


@lru_cache
def _built(spec: NetworkSpec) -> tuple[str, ...]:
    """Returns the stages of a library's network, or of a part: a dry run may ask a thousand times.

    Building it brings torch.
    """
    from reid_srdl.models.build import build

    return build(spec, seed=0).stages
