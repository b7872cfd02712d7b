"""Where and how a run computes, in a precision that is right for its networks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.training.phases import Phase
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.rounding import wrong_layer


def compute_of(config: AnyConfig, noted: Callable[[str], None] = lambda line: None) -> Compute:
    """Returns where and how a run computes; ``auto`` is what this machine has.

    ``auto`` is float32 where a network that the run trains would come to wrong numbers in bf16.

    Args:
        config: as asked for.
        noted: told where that is so.

    Raises:
        UserError: as `choose`.
    """
    train = config.train
    compute = choose(
        train.device, train.precision, train.threads, compile=train.compile, graph=train.graph
    )
    if train.precision != "auto" or compute.precision != "bf16":
        return compute
    with contextlib.suppress(UserError):  # a network that cannot be had is told of later
        phases = rehearse(config).phases
        if (wrong := _wrong(phases, config.optim.batch_size, compute)) is not None:
            noted(f"train.precision: fp32, since PyTorch's bf16 is wrong here in {wrong}")
            return replace(compute, precision="fp32")
    return compute


def check_products(phases: Iterable[Phase], images: int, compute: Compute) -> None:
    """Checks that bf16, where it is asked for, gives what it should in all networks of a run.

    Args:
        phases: of the run.
        images: of a batch.
        compute: where it runs.

    Raises:
        UserError: a layer of a network does not come to float32's numbers within rounding.
    """
    if (wrong := _wrong(phases, images, compute)) is not None:
        raise UserError(
            f"train.precision: PyTorch's bf16 is wrong here in {wrong}",
            "add --precision fp32; a run that began in bf16 cannot go on: move its folder away",
            usage=True,
        )


def _wrong(phases: Iterable[Phase], images: int, compute: Compute) -> str | None:
    """Returns the first wrong layer of what phases train, and whose it is; None: there is none.

    A network that only answers is not tried: gradients of weights are wrong, outputs are not.
    """
    trained = (spec for phase in phases if phase.kind == "fit" for spec in phase.specs.values())
    for spec in dict.fromkeys(trained):
        if (layer := wrong_layer(spec, images, compute)) is not None:
            return f"{layer} of {spec.name}"
    return None
