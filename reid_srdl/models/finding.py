"""Finds the stages of other libraries' networks: by usual names, else where maps last halve."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from torch import Tensor, nn

from reid_srdl.models.empty_pass import REFUSALS, empty_pass

_SIZE = (256, 128)  # large enough that all halvings differ
_USUAL = re.compile(r"(layer|denseblock|stage|group)[1-9]")


@dataclass
class _Step:
    """A module that gave maps: its path, their height and width, and the maps with their version.

    Attributes:
        convolutions: how many it holds.
    """

    path: str
    maps: Tensor
    version: int
    convolutions: int

    @property
    def size(self) -> tuple[int, int]:
        return self.maps.shape[2], self.maps.shape[3]


def find_stages(trunk: nn.Module, size: tuple[int, int] | None) -> dict[str, str]:
    """Returns each stage's name and the path of the module that ends it, from shallow to deep.

    Considered are the modules that the images pass one after the other: the trunk's children, and
    the members of those that are plain sequences. Where some are called ``layer1``, ``layer2`` and
    so on (or ``denseblock``, ``stage``, ``group``), those are the stages. Else a stage is a run of
    modules with maps of one size and at least two convolutions, so that a stem is none; its maps
    are the last of that size, and its name is ``stage1``, ``stage2`` and so on.

    Args:
        trunk: of a network.
        size: (height, width) in pixels that it takes, if it takes no other.

    Returns:
        Nothing where there are no two stages of maps B x c x h x w that shrink from one to the
        next: a transformer's tokens, networks that enlarge maps or keep them channels last.
    """
    steps = _steps(trunk, size)
    if any(a.size[0] < b.size[0] or a.size[1] < b.size[1] for a, b in pairwise(steps)):
        return {}
    usual = {}
    for step in steps:
        if _USUAL.fullmatch(leaf := step.path.rpartition(".")[2]):
            usual[leaf] = step
    stages = usual if len(usual) > 1 else dict(_runs(_outermost(steps)))
    if len(stages) < 2 or any(step.maps._version != step.version for step in stages.values()):
        return {}
    return {name: step.path for name, step in stages.items()}


def _runs(steps: list[_Step]) -> Iterator[tuple[str, _Step]]:
    number = 0
    for size, run in groupby(steps, key=lambda step: step.size):
        run_steps = list(run)
        if size != (1, 1) and sum(step.convolutions for step in run_steps) > 1:
            number += 1
            yield f"stage{number}", run_steps[-1]


def _steps(trunk: nn.Module, size: tuple[int, int] | None) -> list[_Step]:
    """Returns the modules that gave maps once, in the order of an empty pass."""
    for tried in (_SIZE, size, (224, 224)):
        if tried is None:
            continue
        steps: list[_Step] = []
        hooks = [
            module.register_forward_hook(_recording(steps, path)) for path, module in _chain(trunk)
        ]
        try:
            empty_pass(trunk, tried)
        except REFUSALS:
            continue
        finally:
            for hook in hooks:
                hook.remove()
        calls = Counter(step.path for step in steps)
        return [step for step in steps if calls[step.path] == 1]
    return []


def _chain(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yields children with their paths; those of a plain sequence or of a lone child, too."""
    children = dict(module.named_children())
    for name, child in children.items():
        if _is_sequence(child) or (len(children) == 1 and not prefix):
            yield from _chain(child, f"{prefix}{name}.")
        yield prefix + name, child


def _is_sequence(module: nn.Module) -> bool:
    if isinstance(module, nn.Sequential):
        return type(module).forward is nn.Sequential.forward
    return isinstance(module, nn.ModuleList)


def _recording(steps: list[_Step], path: str) -> Callable[..., None]:
    def record(module: nn.Module, _arguments: object, output: object) -> None:
        if isinstance(module, nn.AdaptiveAvgPool2d):  # of a fixed size, whatever comes in
            return
        if isinstance(output, Tensor) and output.dim() == 4:
            own = () if _is_sequence(module) else module.modules()  # members count for themselves
            convolutions = sum(isinstance(part, nn.Conv2d) for part in own)
            steps.append(_Step(path, output, output._version, convolutions))

    return record


def _outermost(steps: list[_Step]) -> list[_Step]:
    """Puts a sequence in place of its last member, which gave the same maps."""
    kept: list[_Step] = []
    for step in steps:
        while kept and kept[-1].path.startswith(f"{step.path}.") and kept[-1].maps is step.maps:
            step.convolutions += kept.pop().convolutions
        kept.append(step)
    return kept
