"""Where and how a run computes, in a precision that is right for its networks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.models.changes.asked import changes_of
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.rounding import wrong_layer


def compute_of(config: AnyConfig, noted: Callable[[str], None] = lambda line: None) -> Compute:
    """Returns where and how a run computes; ``auto`` is what this machine has.

    ``auto`` is float32 where the run's own network would come to wrong numbers in bf16.

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
    if train.precision != "auto":
        return compute
    with contextlib.suppress(UserError):  # a network that cannot be had is told of later
        spec = _own_spec(config)
        if (layer := wrong_layer(spec, config.optim.batch_size, compute)) is not None:
            noted(f"train.precision: fp32, since PyTorch's bf16 is wrong here in {layer}")
            return replace(compute, precision="fp32")
    return compute


def _own_spec(config: AnyConfig) -> NetworkSpec:
    """Returns the run's own network as far as it is known before its data are."""
    model, size = config.model, (config.data.height, config.data.width)
    return NetworkSpec(model.name, 2, size, 3, changes_of(model), model.width)


def check_products(specs: Iterable[NetworkSpec], images: int, compute: Compute) -> None:
    """Checks that bf16, where it is asked for, gives what it should in all networks of a run.

    Args:
        specs: the networks.
        images: of a batch.
        compute: where it runs.

    Raises:
        UserError: a layer of a network does not come to float32's numbers within rounding.
    """
    for spec in specs:
        if (layer := wrong_layer(spec, images, compute)) is not None:
            raise UserError(
                f"train.precision: PyTorch's bf16 is wrong here in {layer} of {spec.name}",
                "add --precision fp32",
                usage=True,
            )
