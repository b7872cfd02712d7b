"""The networks and modules that one phase works on, and the optimisers that move them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reid_srdl.models.dividing import divided
from reid_srdl.models.network import Network
from reid_srdl.seeds import derive
from reid_srdl.training.losses import modules_of
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.phases import Fit
from reid_srdl.training.values import Model, Only


@dataclass(frozen=True)
class Parts:
    """What a phase trains and consults.

    Attributes:
        networks: the networks in training, by name; copies, so that no argument changes.
        frozen: the consulted ones, in evaluation mode.
        heads: modules that are trained beside them.
        modules: what each network's loss trains itself, by the network's name.
    """

    networks: Mapping[str, Network]
    frozen: Mapping[str, Network]
    heads: Mapping[str, nn.Module]
    modules: Mapping[str, Mapping[str, nn.Module]]

    def trained(self) -> dict[str, nn.Module]:
        """Returns everything that the phase changes, by names that its checkpoints use."""
        named: dict[str, nn.Module] = {f"network.{n}": m for n, m in self.networks.items()}
        named |= {f"head.{name}": module for name, module in self.heads.items()}
        for owner, modules in self.modules.items():
            named |= {f"module.{owner}.{name}": module for name, module in modules.items()}
        return named


def parts_of(
    fit: Fit, network: Callable[[Model], Network], device: torch.device, *, seed: int = 0
) -> Parts:
    """Returns a phase's networks and modules as they are before its first step.

    Args:
        fit: what is trained.
        network: gives a model's network.
        device: where all of them come to be.
        seed: of the run, from which the draws of the losses' modules derive.
    """
    networks = {n: copy.deepcopy(network(model)).to(device) for n, model in fit.models.items()}
    frozen = {n: copy.deepcopy(network(model)).to(device) for n, model in fit.frozen.items()}
    for consulted in frozen.values():
        consulted.eval().requires_grad_(False)
    heads = {}
    for name, head in fit.heads.items():
        args = [network(a) if isinstance(a, Model) else a for a in head.args]
        heads[name] = _seeded(head.seed, head.make, *args).to(device)
    modules: dict[str, dict[str, nn.Module]] = {}
    for owner, loss in fit.losses.items():
        modules[owner] = {}
        for name, make in modules_of(loss).items():
            drawn = derive(seed, "module", owner, name)
            modules[owner][name] = _seeded(drawn, make, networks[owner]).to(device)
    for trained in networks.values():
        set_training(trained, fit.only)
    return Parts(networks, frozen, heads, modules)


def set_training(network: Network, only: Only | None) -> None:
    """Puts what a phase trains into training mode; the rest neither learns nor counts."""
    network.train().requires_grad_(True)
    if only is None:
        return
    before, behind = divided(network, only.stage)
    for module in behind if only.side == "up_to" else before:
        module.eval().requires_grad_(False)


def optimizers_of(parts: Parts, optimisation: Optimisation) -> dict[str, torch.optim.Optimizer]:
    """Returns an optimiser for each network with its loss's modules, and one for the heads."""
    made = {}
    for name, network in parts.networks.items():
        own = [p for p in network.parameters() if p.requires_grad]
        own += [p for module in parts.modules[name].values() for p in module.parameters()]
        made[name] = optimisation.optimizer(own)
    heads = [p for module in parts.heads.values() for p in module.parameters()]
    if heads:
        made["heads"] = optimisation.optimizer(heads)
    return made


def _seeded(seed: int, make: Callable[..., nn.Module], *args: Any) -> nn.Module:
    """Makes a module from a generator of its own; the global one is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*args)
