"""Equal cost: how much of each epoch a run makes, so that it costs what vanilla would.

What counts is all that the run trains, a teacher that is trained in it included; a finished run
that teaches does not.

NOTE: steps are scaled, no epochs: every phase keeps its epochs and its schedule, and an epoch sees
fewer batches of its own shuffle. Whole epochs could not be shared out among generations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reid_srdl.errors import UserError
from reid_srdl.methods import own
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from reid_srdl.training.phases import Fit, Phase
from reid_srdl.training.plan import Planner
from reid_srdl.training.setting import Setting

_PARTS = 10**6  # a share has six digits
_CLOSE = 0.01  # of vanilla's work: the promise


class BudgetError(UserError):
    """What a run is to cost cannot be met with its phases, its batches and its images."""


def budgeted(method: str, epochs: int, setting: Setting, phases: Sequence[Phase]) -> Setting:
    """Returns the setting with the share of steps that costs what vanilla's epochs would.

    Args:
        method: whose budget is ``equal``, by its name.
        epochs: that vanilla would train.
        setting: what all phases share, every step of them made.
        phases: that the program made with this setting.

    Raises:
        BudgetError: the work of vanilla cannot be met within 1 %: the steps are too few to choose
            from, or the method costs less than vanilla.
    """
    planner = Planner(setting)
    vanilla(planner, epochs, VanillaOptions())
    budget = sum(phase.work.total for phase in planner.phases)
    parts = _largest(budget, phases)
    name = own.short(method)
    met = _work(phases, parts / _PARTS) / budget
    if abs(met - 1) > _CLOSE:
        raise BudgetError(
            f"train.budget: {name} costs {met:.3f} of vanilla's work at the nearest",
            "take train.budget=own, or more steps: a lower optim.batch_size, more train.epochs",
            usage=True,
        )
    return replace(setting, share=parts / _PARTS)


def _largest(budget: int, phases: Sequence[Phase]) -> int:
    """Returns the largest share, in millionths, whose work is within a budget; 1 at least."""
    low, high = 1, _PARTS
    while low < high:
        middle = (low + high + 1) // 2
        if _work(phases, middle / _PARTS) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def _work(phases: Sequence[Phase], share: float) -> int:
    """Returns the multiply-accumulates of what the budget counts, at a share of the steps."""
    total = 0
    for phase in phases:
        if isinstance(phase.asked, Fit):
            share_of_it = share * phase.asked.share
            frozen = int(phase.frozen_steps * share)
            phase = replace(phase, share=share_of_it, frozen_steps=frozen)
        total += phase.work.total
    return total


def check_steps(phases: Sequence[Phase]) -> None:
    """Checks that every epoch has a step, where phases make a share of their steps.

    Raises:
        BudgetError: one has none.
    """
    for phase in phases:
        if phase.kind == "fit" and int(phase.steps * phase.share + 1e-6) < 1:
            raise BudgetError(
                f"phase {phase.name!r}: {phase.share:.3g} of the {phase.steps} steps of an epoch "
                "is none",
                "lower optim.batch_size, raise train.epochs, or take train.budget=own",
                usage=True,
            )
