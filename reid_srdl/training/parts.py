"""The networks and modules that one phase works on, and the optimisers that move them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from reid_srdl.models.dividing import divided
from reid_srdl.models.network import Network
from reid_srdl.records.kept import Kind
from reid_srdl.seeds import derive
from reid_srdl.training.losses import modules_of, rates_of
from reid_srdl.training.optimisation import Optimisation, at_constant_rate
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
        kept: other weights of each network that the phase keeps, by their kind and its name.
        rates: the constant rates of those of them that have one, likewise.
    """

    networks: Mapping[str, Network]
    frozen: Mapping[str, Network]
    heads: Mapping[str, nn.Module]
    modules: Mapping[str, Mapping[str, nn.Module]]
    rates: Mapping[str, Mapping[str, float]]
    kept: Mapping[Kind, Mapping[str, Network]] = field(default_factory=dict)

    def trained(self) -> dict[str, nn.Module]:
        """Returns everything that the phase changes, by names that its checkpoints use."""
        named: dict[str, nn.Module] = {f"network.{n}": m for n, m in self.networks.items()}
        named |= {f"head.{name}": module for name, module in self.heads.items()}
        for owner, modules in self.modules.items():
            named |= {f"module.{owner}.{name}": module for name, module in modules.items()}
        for kind, networks in self.kept.items():
            named |= {f"{kind}.{name}": network for name, network in networks.items()}
        return named

    def parameters_of(self, owner: str) -> dict[str, nn.Parameter]:
        """Returns what a network and its loss's modules learn by the schedule, by their names."""
        named = dict(self.networks[owner].named_parameters())
        for name, module in self.modules[owner].items():
            if name in self.rates[owner]:
                continue
            named |= {f"module.{name}.{key}": p for key, p in module.named_parameters()}
        return {name: p for name, p in named.items() if p.requires_grad}


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
    kept = {kind: {n: copy.deepcopy(one) for n, one in networks.items()} for kind in fit.keeps}
    for others in kept.values():
        for other in others.values():
            other.eval().requires_grad_(False)
    for trained in networks.values():
        set_training(trained, fit.only)
    rates = {owner: rates_of(loss) for owner, loss in fit.losses.items()}
    return Parts(networks, frozen, heads, modules, rates, kept)


def set_training(network: Network, only: Only | None, *, frozen: bool = False) -> None:
    """Puts what a phase trains into training mode; the rest neither learns nor counts.

    Args:
        network: as a whole or in part.
        only: the part that the phase trains; None: all of it.
        frozen: the trunk stays as it is, statistics of batch norm included.
    """
    network.train().requires_grad_(True)
    if frozen:
        network.trunk.eval().requires_grad_(False)
    if only is None:
        return
    before, behind = divided(network, only.stage)
    for module in behind if only.side == "up_to" else before:
        module.eval().requires_grad_(False)


def freeze(fit: Fit, parts: Parts, frozen: bool) -> None:
    """Puts a phase's networks into training mode, the trunks that were loaded frozen or not."""
    for name, network in parts.networks.items():
        set_training(network, fit.only, frozen=frozen and fit.models[name].loaded)


def optimizers_of(parts: Parts, optimisation: Optimisation) -> dict[str, torch.optim.Optimizer]:
    """Returns an optimiser for each network with its loss's modules, and one for the heads.

    A module with a rate of its own has an optimiser of its own, ``NETWORK/MODULE``.
    """
    made: dict[str, torch.optim.Optimizer] = {}
    for name in parts.networks:
        for module_name, rate in parts.rates[name].items():
            module = parts.modules[name][module_name]
            made[f"{name}/{module_name}"] = at_constant_rate(module.parameters(), rate)
        made[name] = optimisation.optimizer(parts.parameters_of(name))
    heads = {
        f"{name}.{key}": parameter
        for name, module in parts.heads.items()
        for key, parameter in module.named_parameters()
    }
    if heads:
        made["heads"] = optimisation.optimizer(heads)
    return made


def _seeded(seed: int, make: Callable[..., nn.Module], *args: Any) -> nn.Module:
    """Makes a module from a generator of its own; the global one is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*args)
