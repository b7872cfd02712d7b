"""What a ``fit`` phase ends with: the last weights, and others that it keeps beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reid_srdl.records.kept import Kind
from reid_srdl.training.keys import key_of
from reid_srdl.training.phases import Fit, Phase
from reid_srdl.training.setting import Setting
from reid_srdl.training.values import Model, Only

if TYPE_CHECKING:
    from reid_srdl.models.network import Network

# A network with its last weights, and with others by their kind; None where nothing is made.
Ends = Mapping[Kind | None, "Network | None"]


def ended(phase: Phase, member: str, made: Ends, start: Model) -> Model:
    """Returns what a network of a phase has become.

    Args:
        phase: the phase.
        member: the network's name in it.
        made: the network, by which weights it has.
        start: as it began.
    """

    def of(kind: Kind) -> Model | None:
        if kind not in made:
            return None
        key = key_of(phase=phase.key, member=member, kept=kind)
        return replace(last, key=key, made=made[kind])

    key = key_of(phase=phase.key, member=member)
    last = Model(key, start.spec, start.view, made[None], loaded=start.loaded)
    return replace(last, averaged=of("ema"), best=of("best"))


def every_of(setting: Setting, epochs: int, only: Only | None) -> int:
    """Returns the epochs between judgements of a phase on the validation part; 0: there are none.

    A network that is not run to its end cannot be judged.
    """
    if not setting.data.validation or (only is not None and only.side == "up_to"):
        return 0
    return setting.every or epochs


def keeps_of(setting: Setting, only: Only | None) -> tuple[Kind, ...]:
    """Returns which other weights of its networks a phase keeps."""
    averages = setting.optimisation.ema is not None
    chooses = setting.every is not None and every_of(setting, 1, only) > 0
    return (*(("ema",) if averages else ()), *(("best",) if chooses else ()))


def frozen_steps_of(phase: Phase, setting: Setting) -> int:
    """Returns the steps, from the first, in which trunks that were loaded stay as they are.

    A phase that trains a part of its networks says itself what stays.
    """
    asked = phase.asked
    if not isinstance(asked, Fit) or asked.only is not None:
        return 0
    if not any(model.loaded for model in asked.models.values()):
        return 0
    return setting.optimisation.frozen_steps(phase.all_steps)
