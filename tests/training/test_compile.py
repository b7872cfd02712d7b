"""Compiled training: the same network, durable like the plain one, told where it can't be had."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from reid_srdl.errors import UserError
from reid_srdl.training.losses import LabelLoss, Loss
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.values import Model, named
from tests.training import tiny

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="g++ compiles the kernels")
ROOT = Path(__file__).parents[2]
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
    return trainer.fit(trainer.new_model(), epochs=3, loss=trainer.supervised, name="one")


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


@needs_compiler
def test_frozen_averaged_clipped_and_judged_steps_are_compiled_whole(tmp_path: Path) -> None:
    """Two segments, each compiled once, though networks are judged between their epochs."""
    optimisation = Optimisation(
        StepDecay(0.1),
        0.9,
        True,
        2e-4,
        8,
        decay_norms=False,
        frozen=0.5,
        clip=1.0,
        ema=0.5,
        max_norm=0.3,
    )
    ends = []
    for compute in (COMPILED, PLAIN):
        counters.clear()
        trainer = tiny.trainer(tmp_path, compute=compute, optimisation=optimisation, judged=True)
        start = replace(trainer.new_model(), loaded=True)
        done = trainer.fit(start, epochs=4, loss=trainer.supervised, name="one")
        ends.append(named({"one": done}))
        assert counters["stats"].get("unique_graphs", 0) == (2 if compute.compile else 0)
        assert not counters["graph_break"]
    for name in ("one", "one.ema", "one.best"):
        one, other = (tiny.weights(end[name]) for end in ends)
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


TWELVE = [(name, number) for number in range(4) for name in ("tiny", "staged", "dropping")]


def trained(folder: Path, phases: list[tuple[str, int]]) -> dict[str, Any]:
    """Trains a phase of each network and round; returns a digest of its end, and dynamo's counts.

    Args:
        folder: of the phases.
        phases: network and round, in the order in which they are trained.
    """
    counters.clear()
    digests = {}
    trainer = tiny.trainer(folder, compute=COMPILED, training_set=tiny.training_set(17))
    for name, number in phases:
        phase = f"{name}-{number}"
        start = trainer.new_model(phase, name=name)
        with COMPILED.activated():  # the number of threads is part of the bits
            done = trainer.fit(start, epochs=1, loss=trainer.supervised, name=phase)
        content = hashlib.blake2b(digest_size=16)
        for value in tiny.weights(done).values():
            content.update(value.contiguous().numpy().tobytes())
        digests[phase] = content.hexdigest()
    graphs = counters["stats"]["unique_graphs"]
    failed = {kind: dict(counters[kind]) for kind in ("graph_break", "unimplemented")}
    return {"digests": digests, "graphs": graphs, **failed}


@needs_compiler
def test_twelve_phases_in_one_process_are_those_of_processes_of_their_own(tmp_path: Path) -> None:
    """One process may run into dynamo's limit of recompilations; none may fall back to eager."""
    together, *alone = in_processes_of_their_own(tmp_path, [TWELVE, *([one] for one in TWELVE)])
    for told, phases in ((together, 12), *((one, 1) for one in alone)):
        assert len(told["digests"]) == phases
        assert told["graphs"] == phases  # one whole graph a phase: each was compiled
        assert not told["graph_break"]
        assert not told["unimplemented"]
    assert len(set(together["digests"].values())) == 12
    assert {k: v for one in alone for k, v in one["digests"].items()} == together["digests"]


def in_processes_of_their_own(
    folder: Path, asked: list[list[tuple[str, int]]]
) -> list[dict[str, Any]]:
    """Returns what `trained` tells of each list of phases, each by a process of its own.

    One process imports what they need and forks itself for each. Kernels of several phases stand
    apart from those of one, so that neither takes what the other compiled.
    """
    command = [sys.executable, "-m", __name__, str(folder), json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def fork_for_each(folder: Path, asked: list[list[tuple[str, int]]]) -> None:
    """Prints a line for each list of phases."""
    importlib.import_module("torch._inductor.compile_fx")
    assert threading.active_count() == 1, "an import started a thread: a fork would lose it"
    for number, phases in enumerate(asked):
        place = folder / str(number)
        child = os.fork()
        if not child:
            kernels = "of_one" if len(phases) == 1 else "of_several"
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / kernels)
            print(json.dumps(trained(place / "phases", phases)), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"{phases} failed")


@dataclass(frozen=True)
class Mutual(Loss):
    labels: LabelLoss

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from reid_srdl.training.terms import soft_kl

        (peer,) = outputs.peers.values()
        kl = soft_kl(peer.logits, outputs.own.logits, 1.0)
        return {**self.labels.of(outputs.own, batch), "kl": kl}


@needs_compiler
def test_networks_in_turn_are_compiled_each_alone(tmp_path: Path) -> None:
    """One step, so that rounding has no time to grow: two passes, two losses, as eager."""
    ends = []
    counters.clear()
    for compute in (COMPILED, PLAIN):
        trainer = tiny.trainer(tmp_path, compute=compute, training_set=tiny.training_set(8))
        starts = {"one": trainer.new_model(), "other": trainer.new_model("other", name="wide")}
        losses = dict.fromkeys(starts, Mutual(trainer.supervised))
        done = trainer.fit_together(starts, losses, epochs=1, name="two", in_turn=True)
        ends.append({f"{n}.{k}": w for n in done for k, w in tiny.weights(done[n]).items()})
    assert not counters["graph_break"]
    one, other = ends
    assert all(torch.allclose(one[key], other[key], atol=1e-5) for key in other)


if __name__ == "__main__":
    fork_for_each(Path(sys.argv[1]), json.loads(sys.argv[2]))
