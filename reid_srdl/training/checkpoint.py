"""Checkpoints: the one place that knows how tensors are named on the disk.

A phase's state is one file, ``NAME-KEY.STEPS.safetensors``; the last two are kept, each with a
checksum. A damaged one is named and the one before it serves; one of another key is never read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.models.build import build
from reid_srdl.models.network import Network
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.tensor_files import read_tensors, write_tensors
from reid_srdl.records.kept import KINDS, Kind
from reid_srdl.training.phases import Phase

_KEPT = 2
_AGAIN = "delete it, and the phase is trained again by the same command"
_STEPS = re.compile(r"\.(\d{10})\.safetensors$")


class Measured(Protocol):
    """What an unfinished epoch has measured: the meter."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """Returns tensors and facts."""

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """Takes them up again."""


@dataclass(frozen=True)
class Saved:
    """What a checkpoint file holds.

    Attributes:
        tensors: by the names that this module gives.
        facts: plain values: the phase's key, its finished epochs, its place within the next one.
        path: the file.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    path: Path

    @property
    def step(self) -> int:
        """Steps of the phase, or rows of an extraction, that are done."""
        found = _STEPS.search(self.path.name)
        assert found is not None, "`files` finds no others"
        return int(found[1])


def save(
    phase: Phase, folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> Path:
    """Puts a phase's state on the disk, whole or not at all, and removes all but the last two.

    A file of a later step goes, too: it was damaged, or the phase would have gone on from it.

    Args:
        phase: whose state.
        folder: of the run's phases.
        step: steps of the phase, or rows of an extraction, that are done.
        tensors, facts: what ``load`` gives back.
    """
    path = Path(f"{phase.stem(folder)}.{step:010d}.safetensors")
    write_tensors(path, dict(tensors), {"key": phase.key, "seconds": phase.seconds, **facts})
    written = files(phase, folder)
    place = written.index(path)
    for other in (*written[: max(place + 1 - _KEPT, 0)], *written[place + 1 :]):
        other.unlink(missing_ok=True)
    return path


def load(phase: Phase, folder: Path, warn: Callable[[str], None]) -> Saved | None:
    """Returns a phase's newest state that is whole; None where there is none.

    Args:
        phase: whose state.
        folder: of the run's phases.
        warn: told of each file that is damaged or of another run, and where the phase goes on.
    """
    refused = []
    for path in reversed(files(phase, folder)):
        try:
            tensors, facts = read_tensors(path)
        except UserError as error:
            refused.append(error.what)
            continue
        if facts.get("key") != phase.key:
            refused.append(f"{path}: belongs to another phase")
            continue
        for line in refused:
            warn(f"{line}; {path.name} serves instead")
        return Saved(tensors, facts, path)
    if not refused and (others := _of_other_keys(phase, folder)):
        refused.append(f"{others[-1]}: made by other settings, or by another version of reid-srdl")
    for line in refused:
        warn(f"{line}; phase {phase.name!r} starts again from its beginning")
    return None


def made_in(saved: Saved) -> set[str]:
    """Returns the circumstances that a phase was done in so far; one empty hash: nobody knows."""
    return set(saved.facts.get("made_in") or {""})


def read(path: Path) -> Saved:
    """Reads a checkpoint that another process found whole.

    Raises:
        UserError: it is not there, or damaged.
    """
    tensors, facts = read_tensors(path)
    return Saved(tensors, facts, path)


def files(phase: Phase, folder: Path) -> list[Path]:
    """Returns a phase's checkpoints, oldest first."""
    stem = phase.stem(folder)
    found = stem.parent.glob(f"{stem.name}.*.safetensors")
    return sorted(path for path in found if _STEPS.search(path.name))


def _of_other_keys(phase: Phase, folder: Path) -> list[Path]:
    """Returns checkpoints of a phase of this name that its key is not of."""
    name = re.compile(rf"{re.escape(phase.name)}-[0-9a-f]{{16}}\.\d{{10}}\.safetensors")
    return sorted(path for path in folder.glob("*.safetensors") if name.fullmatch(path.name))


def state_of(
    modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the state of modules and of any torch optimisers, as tensors and plain values."""
    tensors = {
        f"{owner}.{name}": value
        for owner, module in modules.items()
        for name, value in module.state_dict().items()
    }
    plain: dict[str, Any] = {}
    for owner, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                key = f"optimizer.{owner}.{index}.{name}"
                if isinstance(value, Tensor):
                    tensors[key] = value
                elif value is not None:
                    plain[key] = value
    return tensors, {"optimizers": plain}


def restore_state(
    saved: Saved,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> None:
    """Puts what ``state_of`` returned into modules and optimisers."""
    for owner, module in modules.items():
        module.load_state_dict(under(saved.tensors, f"{owner}."))
    for owner, optimizer in optimizers.items():
        prefix = f"optimizer.{owner}."
        values = under(saved.tensors, prefix) | under(saved.facts["optimizers"], prefix)
        state: dict[int, dict[str, Any]] = {}
        for place, value in values.items():
            index, name = place.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        for parameter, values in optimizer.state.items():
            for name, value in values.items():
                values[name] = _laid_out(value, parameter)


def state_within(meter: Measured, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns what an unfinished epoch adds: its meter, and the generators of a network's draws."""
    measured, facts = meter.state()
    tensors = {f"meter.{name}": value for name, value in measured.items()}
    tensors["generator.cpu"] = torch.get_rng_state()
    if device.type == "cuda":
        tensors["generator.cuda"] = torch.cuda.get_rng_state(device)
    return tensors, {"meter": facts}


def restore_within(saved: Saved, meter: Measured, device: torch.device) -> None:
    """Puts what ``state_within`` returned into the meter and the generators."""
    meter.restore(under(saved.tensors, "meter."), saved.facts["meter"])
    torch.set_rng_state(saved.tensors["generator.cpu"])
    if device.type == "cuda" and "generator.cuda" in saved.tensors:
        torch.cuda.set_rng_state(saved.tensors["generator.cuda"], device)


def network_in(path: Path, key: str | None, member: str, kind: Kind | None = None) -> Network:
    """Builds the network that a ``fit`` phase has come to, by the spec that its file carries.

    Args:
        path: a checkpoint.
        key: the phase's key.
        member: the network's name in the phase.
        kind: which other weights of it are meant; None: the last step's.

    Raises:
        UserError: the file is damaged, of another phase, or has no such network.
    """
    tensors, facts = read_tensors(path, hint=_AGAIN)
    spec = facts.get("specs", {}).get(member)
    if facts.get("key") != key or spec is None:
        raise UserError(f"{path}: holds no network {member!r} of this phase", _AGAIN)
    network = build(NetworkSpec.from_json(spec), seed=0)
    try:
        network.load_state_dict(under(tensors, f"{kind or 'network'}.{member}."))
    except RuntimeError:
        raise UserError(f"{path}: its weights do not fit {member}", _AGAIN) from None
    return network.to(memory_format=torch.channels_last)


def weights_in(tensors: Mapping[str, Tensor], member: str) -> list[Kind | None]:
    """Returns which weights of a network a checkpoint holds; None: the last step's."""
    kept = [kind for kind in KINDS if under(tensors, f"{kind}.{member}.")]
    return [None, *kept]


def under(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Returns the values whose names begin with a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def _laid_out(value: Any, parameter: Tensor) -> Any:
    """Returns an optimiser's value with the layout of its parameter.

    Fused updates walk both in memory order, so a buffer of the parameter's shape needs its layout.
    """
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
