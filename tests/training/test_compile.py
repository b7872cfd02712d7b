"""Compiled training: the same network, durable like the plain one, told where it can't be had."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from reid_srdl.errors import UserError
from reid_srdl.training.losses import cross_entropy
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.trainer import Model
from tests.training import tiny

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
COMPILED = Compute(torch.device("cpu"), "fp32", 1, compile=True)
PLAIN = Compute(torch.device("cpu"), "fp32", 1)


class StopError(Exception):
    pass


class Stopper(tiny.Recorder):
    def happened(self, event: str) -> None:
        if event == "epoch:one:1":
            raise StopError


def fitted(folder: Path, compute: Compute, monitor: tiny.Recorder | None = None) -> Model:
    trainer = tiny.trainer(folder, monitor, compute=compute)
    return trainer.fit(trainer.new_model(), epochs=3, loss=cross_entropy, name="one")


@needs_compiler
def test_a_compiled_run_goes_on_bit_identically(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole", COMPILED)
    with pytest.raises(StopError):
        fitted(tmp_path / "stopped", COMPILED, Stopper())
    resumed = fitted(tmp_path / "stopped", COMPILED)
    assert tiny.same(tiny.weights(whole), tiny.weights(resumed))

    plain = fitted(tmp_path / "plain", PLAIN)
    assert plain.key != whole.key  # one is never taken for the other
    one, other = tiny.weights(plain), tiny.weights(whole)
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[key], other[key], atol=1e-3) for key in one)


def test_what_is_missing_is_told_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("\nNo working C++ compiler found\nmore")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(UserError, match=r"train.compile.*No working C\+\+ compiler") as caught:
        choose("cpu", "fp32", 1, compile=True)
    assert "g++" in caught.value.hint
    assert not choose("cpu", "fp32", 1).compile


def test_an_uncompiled_network_trains_itself() -> None:
    network = torch.nn.Linear(2, 2)
    assert PLAIN.prepared(network) is network
