"""IBN-a: instance norm beside batch norm in early blocks (Pan et al. 2018, Two at Once)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from reid_srdl.models.empty_pass import REFUSALS, empty_pass
from reid_srdl.models.network import Network
from reid_srdl.models.refusing import refused, size_of

_CHANGE = "IBN-a (model.ibn)"
_HALF, _DENSE_SHARE, _EVERY = 0.5, 0.4, 3  # of the authors' ResNets and DenseNets


class InstanceBatchNorm(nn.Module):
    """Instance norm for some channels, batch norm for the others.

    It begins with the scales, shifts and statistics of the batch norm in whose place it stands. Its
    parts are called as in the authors' code, so that their weights have our keys.

    Args:
        norm: the batch norm, of D channels.
        instances: how many of the channels get instance norm.
        first: they are the first ones, as in the authors' ResNets; else the last, as in their
            DenseNets.
    """

    def __init__(self, norm: nn.BatchNorm2d, instances: int, *, first: bool) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(instances, norm.eps, affine=True)
        self.BN = nn.BatchNorm2d(norm.num_features - instances, norm.eps, norm.momentum)
        self.first = first
        self.sizes = [self.IN.num_features, self.BN.num_features][:: 1 if first else -1]
        of_instances, of_batch = (slice(instances), slice(instances, None))
        if not first:
            of_batch, of_instances = slice(self.sizes[0]), slice(self.sizes[0], None)
        _copy(norm, self.IN, ("weight", "bias"), of_instances)
        _copy(norm, self.BN, ("weight", "bias", "running_mean", "running_var"), of_batch)

    def forward(self, x: Tensor) -> Tensor:
        """Maps B x D x h x w to the same shape."""
        one, other = torch.split(x, self.sizes, dim=1)
        if self.first:
            return torch.cat((self.IN(one), self.BN(other)), dim=1)
        return torch.cat((self.BN(one), self.IN(other)), dim=1)


def add_ibn(network: Network) -> None:
    """Puts IBN-a into all stages but the last, as the authors' code does.

    Residual blocks: half the channels of the norm behind the first convolution, or in front of it
    in wide residual networks. Dense blocks: two fifths of the first norm of every third layer.

    Raises:
        UserError: no stage but the last has such blocks, or maps are too small to be normalised.
    """
    early = [network.trunk.get_submodule(path) for path in list(network.taps.paths.values())[:-1]]
    places = [place for stage in early for place in (*_residual(stage), *_dense(stage))]
    if not places:
        raise refused(network, _CHANGE, "it has no residual or dense blocks with batch norm")
    for block, name, norm in places:
        setattr(block, name, norm)
    try:
        empty_pass(network, size_of(network), network.channels)
    except REFUSALS as error:  # instance norm of a single pixel
        raise refused(network, _CHANGE, str(error).partition("\n")[0]) from None


Place = tuple[nn.Module, str, InstanceBatchNorm]


def _residual(stage: nn.Module) -> Iterator[Place]:
    for block, norm in _having(stage, "bn1"):
        yield block, "bn1", InstanceBatchNorm(norm, int(norm.num_features * _HALF), first=True)


def _dense(stage: nn.Module) -> Iterator[Place]:
    for layer, norm in list(_having(stage, "norm1"))[::_EVERY]:
        batch = int(norm.num_features * (1 - _DENSE_SHARE))
        yield layer, "norm1", InstanceBatchNorm(norm, norm.num_features - batch, first=False)


def _having(stage: nn.Module, name: str) -> Iterator[tuple[nn.Module, nn.BatchNorm2d]]:
    """Yields the blocks with a plain batch norm of this name and two convolutions or more."""
    for block in stage.modules():
        parts = dict(block.named_children())
        norm = parts.get(name)
        convolutions = (parts.get("conv1"), parts.get("conv2"))
        if type(norm) is nn.BatchNorm2d and all(isinstance(c, nn.Conv2d) for c in convolutions):
            yield block, norm


@torch.no_grad()
def _copy(source: nn.Module, into: nn.Module, names: tuple[str, ...], channels: slice) -> None:
    for name in names:
        getattr(into, name).copy_(getattr(source, name)[channels])
