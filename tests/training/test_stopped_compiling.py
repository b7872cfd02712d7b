"""A signal that comes while a step is compiled ends the training at once, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.errors import Terminated
from reid_srdl.training.precision import Compute
from tests.training import tiny

COMPILED = Compute(torch.device("cpu"), "fp32", 1, compile=True)
LONG = 60.0  # seconds that a compilation takes here


def trained(folder: Path) -> dict[str, torch.Tensor]:
    trainer = tiny.trainer(folder, compute=COMPILED)
    for name in ("one", "two"):
        model = trainer.fit(trainer.new_model(), epochs=2, loss=trainer.supervised, name=name)
    return tiny.weights(model)


def compiling(slow: int) -> Callable[..., Any]:
    """Returns a torch.compile that takes long over the ``slow``-th function, and is interrupted."""
    made: list[Any] = []

    def compiled(function: Any, **_: Any) -> Any:
        def called(*given: Any) -> Any:
            if called not in made:
                made.append(called)
                if len(made) == slow:
                    interrupted()
            return function(*given)

        return called

    return compiled


def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        time.sleep(0.05)


@pytest.mark.parametrize("slow", [1, 2])
def test_a_signal_does_not_wait_for_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: int
) -> None:
    monkeypatch.setattr(torch, "compile", compiling(0))
    whole = trained(tmp_path / "whole")
    monkeypatch.setattr(torch, "compile", compiling(slow))
    start = time.monotonic()
    with pytest.raises(Terminated):
        trained(tmp_path / "stopped")
    assert time.monotonic() - start < LONG / 2
    monkeypatch.setattr(torch, "compile", compiling(0))
    assert tiny.same(whole, trained(tmp_path / "stopped"))
