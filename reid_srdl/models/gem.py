"""GeM, generalised-mean pooling (Radenovic et al. 2019, Fine-tuning CNN Image Retrieval)."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import torch
from torch import Tensor, nn

from reid_srdl.models.adapters.parts import replace
from reid_srdl.models.answering import without_autocast
from reid_srdl.models.empty_pass import REFUSALS, empty_pass
from reid_srdl.models.network import Network
from reid_srdl.models.refusing import refused, size_of

EPSILON = 1e-6  # what smaller values, zeros among them, are taken for, as published
_POOLS = ("avgpool", "global_avgpool", "global_pool", "head.global_pool", "classifier")


class GeMPooling(nn.Module):
    """f = (1/n sum_i x_i^p)^(1/p) over the n places of a map, for each channel (Eq 3).

    It is computed as exp((logsumexp_i(p ln x_i) - ln n) / p), in float32, so that neither large
    values nor a large p overflow, and no map of zeros has an infinite slope.

    Args:
        p: where the exponent begins; it is learned, one for all channels.
        keeps_places: give B x D x 1 x 1, as torch's own pooling does.
    """

    def __init__(self, p: float, *, keeps_places: bool = False) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))
        self.keeps_places = keeps_places

    def forward(self, maps: Tensor) -> Tensor:
        """Returns B x D features, float32, of B x D x h x w maps that are not negative."""
        with without_autocast(maps.device.type):
            places = maps.shape[2] * maps.shape[3]
            powers = self.p * maps.float().clamp(min=EPSILON).log()
            total = torch.logsumexp(powers, dim=(2, 3), keepdim=self.keeps_places)
            pooled = ((total - log(places)) / self.p).exp()
            # A library's dropout in place would change what the slope of exp is read from.
            return pooled.clone() if self.keeps_places else pooled


def add_gem(network: Network, p: float) -> None:
    """Puts GeM in place of a network's average pooling, or of the library's in its trunk.

    Raises:
        UserError: the network has no stages of maps, or its pooling is no module of its own.
    """
    change = "GeM pooling (model.pooling)"
    if not network.stages:
        raise refused(network, change, "it has no stages of maps")
    if _gives_maps(network):
        network.pooling = GeMPooling(p)
        return
    found = next(_pools(network.trunk), None)
    if found is None:
        raise refused(network, change, "its own pooling is no module that could be replaced")
    path, keeps_places = found
    pooling = GeMPooling(p, keeps_places=keeps_places)
    replace(network.trunk, path, pooling)
    if not _is_used(pooling, network):
        raise refused(network, change, f"its features do not come from {path}")


def _gives_maps(network: Network) -> bool:
    maps: Tensor = empty_pass(network.trunk, size_of(network), network.channels)
    return maps.dim() == 4


def _pools(trunk: nn.Module) -> Iterator[tuple[str, bool]]:
    """Yields path, and whether B x D x 1 x 1 comes out, of a library's global average pooling."""
    modules = dict(trunk.named_modules())
    for path in (prefix + name for prefix in ("", "library.") for name in _POOLS):
        module = modules.get(path)
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            yield path, True
        elif getattr(module, "pool_type", None) in ("avg", "fast"):  # timm's
            yield path, not isinstance(getattr(module, "flatten", None), nn.Flatten)


def _is_used(pooling: GeMPooling, network: Network) -> bool:
    """Says whether the network's features, as long as before, come out of a pass through it."""
    calls: list[int] = []
    hook = pooling.register_forward_hook(lambda *_: calls.append(1))
    try:
        features = empty_pass(network, size_of(network), network.channels).features
    except REFUSALS:
        return False
    finally:
        hook.remove()
    return bool(calls) and features.shape[1:] == (network.feature_dim,)
