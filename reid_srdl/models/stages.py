"""Stages: the maps of a network before their size halves, taken where they pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn


class _EndedError(Exception):
    """Ends a pass at the wanted stage; it never leaves this file."""


class Taps:
    """Takes the maps at the end of each stage of a trunk, while a pass asks for them.

    A hook on the module that ends a stage hands its output over; between passes, and in passes that
    ask for nothing, nothing is kept. All of it traces in one graph under torch.compile.

    Args:
        trunk: gets the hooks.
        paths: a stage's name and the path of the module in the trunk that ends it, from shallow to
            deep.
    """

    def __init__(self, trunk: nn.Module, paths: Mapping[str, str]) -> None:
        self.paths = dict(paths)
        self._kept: dict[str, Tensor] | None = None
        self._wanted: Collection[str] = ()
        self._end: str | None = None
        for stage, path in paths.items():
            trunk.get_submodule(path).register_forward_hook(_Tap(stage, self))

    def run(
        self, trunk: nn.Module, images: Tensor, wanted: Collection[str], end: str | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Passes images through the trunk, up to the stage ``end`` or to the trunk's own end.

        Returns:
            What came out there, and the maps of those wanted stages that the pass reached.
        """
        if not wanted and end is None:
            return trunk(images), {}
        kept: dict[str, Tensor] = {}
        self._kept, self._wanted, self._end = kept, wanted, end
        try:
            last: Tensor = trunk(images)
        except _EndedError:
            last = kept[str(end)]
        finally:
            self._kept, self._wanted, self._end = None, (), None
        return last, {stage: maps for stage, maps in kept.items() if stage in wanted}

    def end_at(self, stage: str) -> None:
        """Forgets the stages behind one."""
        names = list(self.paths)
        for later in names[names.index(stage) + 1 :]:
            del self.paths[later]

    def take(self, stage: str, maps: Tensor) -> None:
        """Keeps a stage's maps if the pass wants them, and ends the pass if it ends here."""
        if self._kept is None:
            return
        if stage in self._wanted or stage == self._end:
            self._kept[stage] = maps
        if stage == self._end:
            raise _EndedError


class _Tap:
    """A hook; an object and no closure, so that a network's copy has taps of its own."""

    def __init__(self, stage: str, taps: Taps) -> None:
        self._stage, self._taps = stage, taps

    def __call__(self, _module: nn.Module, _arguments: tuple[Any, ...], maps: Tensor) -> None:
        self._taps.take(self._stage, maps)
