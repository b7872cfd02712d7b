"""What the adapters share: taking a library's network apart and trying it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.answering import without_autocast
from reid_srdl.models.empty_pass import REFUSALS, empty_pass
from reid_srdl.models.network import Network


class PreciseSequential(nn.Sequential):
    """A sequence that runs in float32, also under autocast: the layers behind the pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps what the first layer takes to what the last one gives, float32."""
        with without_autocast(x.device.type):
            y: Tensor = super().forward(x.float())  # type: ignore[no-untyped-call]
        return y


def replace(network: nn.Module, path: str, new: nn.Module) -> None:
    """Puts a module in another one's place, given by its dotted path."""
    parent, _, leaf = path.rpartition(".")
    setattr(network.get_submodule(parent), leaf, new)


def last_linear(network: nn.Module) -> tuple[str, nn.Linear] | None:
    """Returns path and module of the last linear layer in the order of definition."""
    found = [(path, m) for path, m in network.named_modules() if isinstance(m, nn.Linear)]
    return found[-1] if found else None


def float32_into(module: nn.Module) -> None:
    """Makes a module take its input as float32: a mean of rounded numbers stays unrounded."""
    module.register_forward_pre_hook(_float_arguments)


def float32_out_of(module: nn.Module) -> None:
    """Makes a module give its output as float32."""
    module.register_forward_hook(_float_output)


def tried(network: Network, name: str, size: tuple[int, int] | None) -> Network:
    """Returns a network after a pass of an empty image of this size, in pixels.

    Raises:
        UserError: it does not take the size, or gives no features that its classifier takes.
    """
    if size is None:
        return network
    try:
        features = empty_pass(network, size).features
        reason = (
            "" if features.dim() == 2 else f"its features have the shape {tuple(features.shape)}"
        )
    except REFUSALS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
    if reason:
        raise size_error(name, size, reason)
    return network


def size_error(name: str, size: tuple[int, int], reason: str) -> UserError:
    """Returns the error of a network that does not take images of (height, width) pixels."""
    return UserError(
        f"{name} does not take images of {size[0]}x{size[1]} pixels ({reason})",
        "set data.height and data.width to a size that it takes, or choose another network",
        usage=True,
    )


def _float_arguments(_module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a.float() if isinstance(a, Tensor) else a for a in arguments)


def _float_output(_module: nn.Module, _arguments: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.float()
