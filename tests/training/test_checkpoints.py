"""Checkpoints: resumed anywhere to the same bits, damaged ones named, signals obeyed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from reid_srdl.errors import Terminated, UserError
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.models.tensor_files import read_tensors, write_tensors
from reid_srdl.training.losses import LabelLoss, Loss
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.precision import Compute, choose
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model, named
from tests.training import tiny

CALLS = [0]
HOOK: list[Callable[[int, Any], None]] = []


@pytest.fixture(autouse=True)
def no_hook() -> None:
    CALLS[0] = 0
    HOOK.clear()


@dataclass(frozen=True)
class Everything(Loss):
    """Labels, peers, a head, modules of its own and draws; calls a hook at each call."""

    needs: ClassVar[frozenset[str]] = frozenset({"draws"})
    labels: LabelLoss

    @property
    def modules(self) -> Mapping[str, Any]:
        return {"centres": new_centres}

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from reid_srdl.training.terms import soft_kl

        CALLS[0] += 1
        for hook in HOOK:
            hook(CALLS[0], outputs)
        terms = dict(self.labels.of(outputs.own, batch))
        for peer in outputs.peers.values():
            terms["kl"] = soft_kl(peer.logits, outputs.own.logits, 1.0)
        own = outputs.own.features
        far = (own - outputs.heads["centres"](batch.labels)).square().sum(1)
        terms["centre"] = 0.1 * (far * batch.draws[:, 0]).mean()
        if "head" in outputs.heads:
            terms["head"] = 0.1 * outputs.heads["head"](own).square().mean()
        return terms


def new_centres(network: Any) -> nn.Module:
    return nn.Embedding(network.classes, network.feature_dim)


def new_head(network: Any) -> nn.Module:
    return nn.Linear(network.feature_dim, 2)


PLAIN = Optimisation(StepDecay(0.1), 0.9, True, 2e-4, 8)
ADAM = replace(PLAIN, decay=StepDecay(1e-3), name="adam")
EVERYTHING = replace(ADAM, decay_norms=False, new_layers=2.0, clip=0.5, ema=0.9, max_norm=0.3)
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"network": "dropping"},
    "head": {"head": True},
    "at once": {"peer": "dropping"},
    "in turn": {"peer": "dropping", "in_turn": True},
    "adam": {"optimisation": ADAM, "head": True},
    "adamw": {"optimisation": replace(ADAM, name="adamw"), "in_turn": True, "peer": "wide"},
    "averaged": {"optimisation": replace(PLAIN, ema=0.7), "peer": "dropping"},
    "frozen": {"optimisation": replace(PLAIN, frozen=0.6, ema=0.5), "loaded": True},
    "everything": {"optimisation": EVERYTHING, "head": True, "judged": True},
}


def fitted(
    folder: Path,
    monitor: Any = None,
    *,
    every: float = 600.0,
    head: bool = False,
    peer: str | None = None,
    in_turn: bool = False,
    loaded: bool = False,
    **changes: Any,
) -> dict[str, torch.Tensor]:
    """Trains two epochs of three steps; returns all weights, those kept beside the last, too."""
    trainer = tiny.trainer(folder, monitor, checkpoint_seconds=every, **changes)
    starts: dict[str, Model] = {"one": replace(trainer.new_model(), loaded=loaded)}
    if peer:
        starts["other"] = trainer.new_model("other", name=peer)
    heads = {"head": trainer.new_head("head", new_head, starts["one"])} if head else {}
    losses = dict.fromkeys(starts, Everything(trainer.supervised))
    done = trainer.fit_together(starts, losses, epochs=2, name="fit", in_turn=in_turn, heads=heads)
    ends = named(done)
    return {f"{n}.{k}": w for n, model in ends.items() for k, w in tiny.weights(model).items()}


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def step_of(path: Path) -> int:
    return int(path.name.split(".")[-2])


def every_checkpoint(folder: Path, **case: Any) -> tuple[dict[str, torch.Tensor], dict[int, Path]]:
    """Trains with a checkpoint at each step; returns the end, and a folder for each step's."""
    away: dict[int, Path] = {}

    def keep(_: int, __: Any) -> None:
        for path in checkpoints(folder / "run"):
            away.setdefault(step_of(path), folder / f"after-{step_of(path)}")
            target = away[step_of(path)]
            target.mkdir(exist_ok=True)
            shutil.copy(path, target / path.name)

    HOOK.append(keep)
    end = fitted(folder / "run", every=0.0, **case)
    HOOK.clear()
    return end, away


@pytest.mark.parametrize("case", CASES)
def test_from_each_checkpoint_it_goes_on_to_the_same_bits(tmp_path: Path, case: str) -> None:
    whole = fitted(tmp_path / "whole", **CASES[case])
    end, away = every_checkpoint(tmp_path, **CASES[case])
    assert tiny.same(whole, end)  # writing changes nothing
    assert sorted(away) == [1, 2, 3, 4, 5]
    assert [step_of(path) for path in checkpoints(tmp_path / "run")] == [5, 6]  # the last two
    for step, folder in away.items():
        recorder = tiny.Recorder()
        assert tiny.same(whole, fitted(folder, recorder, **CASES[case])), step
        assert recorder.events[0] == f"open:fit:{step // 3}"
        assert recorder.shares == {"fit": step / 6}
        assert not [told for told in recorder.warnings if "at chance" not in told]


def test_an_interrupted_epochs_row_is_that_of_a_whole_one(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    fitted(tmp_path / "whole", recorder)
    _, away = every_checkpoint(tmp_path)
    resumed = tiny.Recorder()
    fitted(away[5], resumed)
    ours, theirs = resumed.rows[-1], recorder.rows[-1]
    assert ours.model_dump(exclude={"seconds"}) == theirs.model_dump(exclude={"seconds"})


def flip(path: Path, place: float = 0.6) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def strange(path: Path) -> None:
    path.write_text("not a checkpoint")


def stopped_at(folder: Path, step: int) -> None:
    """Trains with a checkpoint at each step until one step after ``step`` begins."""

    CALLS[0] = 0

    class StopError(Exception):
        pass

    def stop(call: int, _: Any) -> None:
        if call == step + 1:
            raise StopError

    HOOK.append(stop)
    with pytest.raises(StopError):
        fitted(folder, every=0.0)
    HOOK.clear()
    CALLS[0] = 0


@pytest.mark.parametrize("damage", [flip, cut, empty, strange])
def test_a_damaged_newest_checkpoint_is_named_and_the_older_serves(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    whole = fitted(tmp_path / "whole")
    stopped_at(tmp_path / "run", 5)
    older, newest = checkpoints(tmp_path / "run")
    damage(newest)
    recorder = tiny.Recorder()
    CALLS[0] = 0
    assert tiny.same(whole, fitted(tmp_path / "run", recorder))
    (line,) = recorder.warnings
    assert str(newest) in line
    assert f"{older.name} serves instead" in line
    assert CALLS[0] == 2  # steps 5 and 6


def test_with_both_damaged_it_begins_again_and_keeps_new_ones(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole")
    stopped_at(tmp_path / "run", 5)
    for path in checkpoints(tmp_path / "run"):
        flip(path)
    stopped_at(tmp_path / "run", 2)  # what is damaged does not push new ones out
    assert [step_of(path) for path in checkpoints(tmp_path / "run")] == [1, 2]
    for path in checkpoints(tmp_path / "run"):
        empty(path)
    recorder = tiny.Recorder()
    assert tiny.same(whole, fitted(tmp_path / "run", recorder))
    assert len(recorder.warnings) == 2
    assert all("phase 'fit' starts again from its beginning" in line for line in recorder.warnings)
    assert CALLS[0] == 6


def test_a_byte_flipped_anywhere_is_never_taken_for_whole(tmp_path: Path) -> None:
    stopped_at(tmp_path / "run", 2)
    newest = checkpoints(tmp_path / "run")[-1]
    content = newest.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content), 60).tolist():
        newest.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(UserError, match=newest.name):
            read_tensors(newest)


def test_a_file_of_another_key_is_never_read(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole")
    stopped_at(tmp_path / "run", 4)
    for path in checkpoints(tmp_path / "run"):
        tensors, facts = read_tensors(path)
        write_tensors(path, tensors, {**facts, "key": facts["key"][:16] + "0" * 16})
    recorder = tiny.Recorder()
    assert tiny.same(whole, fitted(tmp_path / "run", recorder))
    assert len(recorder.warnings) == 2
    assert all("belongs to another phase" in line for line in recorder.warnings)
    assert CALLS[0] == 6


def knowledge(folder: Path, recorder: tiny.Recorder | None = None) -> torch.Tensor:
    trainer = tiny.trainer(folder, recorder)
    return tiny.table(trainer, trainer.extract(trainer.new_model()))


@pytest.fixture
def blocks_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reid_srdl.training.extraction.BLOCK_BYTES", 10 * 3 * 2)


@pytest.mark.usefixtures("blocks_of_ten")
@pytest.mark.parametrize(
    ("row", "batches"), [(3, 3), (12, 2), (25, 1)], ids=["first", "second", "last"]
)
def test_a_damaged_block_of_knowledge_is_extracted_again_from_there(
    tmp_path: Path, row: int, batches: int
) -> None:
    expected = knowledge(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    content = bytearray(path.read_bytes())
    content[len(content) - (26 - row) * 3 * 2] ^= 1
    path.write_bytes(content)
    recorder = tiny.Recorder()
    assert torch.equal(knowledge(tmp_path, recorder), expected)
    assert recorder.events.count("step:knowledge") == batches
    (line,) = recorder.warnings
    assert line == f"{path}: damaged from row {10 * (row // 10)}; extracted again from there"
    assert torch.equal(knowledge(tmp_path, again := tiny.Recorder()), expected)
    assert not again.warnings
    assert "step:knowledge" not in again.events


@pytest.mark.usefixtures("blocks_of_ten")
@pytest.mark.parametrize("damage", [cut, empty, strange, Path.unlink])
def test_knowledge_that_is_cut_or_gone_is_extracted_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    expected = knowledge(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    damage(path)
    recorder = tiny.Recorder()
    assert torch.equal(knowledge(tmp_path, recorder), expected)
    assert recorder.events.count("step:knowledge") == 3
    (line,) = recorder.warnings
    assert line.startswith(str(path))
    assert line.endswith("extracted again")


def test_a_flipped_bit_in_a_tables_head_is_mended(tmp_path: Path) -> None:
    expected = knowledge(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    content = path.read_bytes()
    for place in range(80):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert torch.equal(knowledge(tmp_path), expected), place


SIGNALS = [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]


@pytest.mark.parametrize("call", [1, 2, 3, 5, 6])
@pytest.mark.parametrize(("number", "error"), SIGNALS)
def test_a_signal_stops_at_the_next_step_with_a_checkpoint(
    tmp_path: Path, number: int, error: type[BaseException], call: int
) -> None:
    whole = fitted(tmp_path / "whole", network="dropping")
    CALLS[0] = 0

    def send(now: int, _: Any) -> None:
        if now == call:
            os.kill(os.getpid(), number)

    HOOK.append(send)
    before = signal.getsignal(number)
    with pytest.raises(error) as caught:
        fitted(tmp_path / "run", network="dropping")
    assert type(caught.value) is error
    assert signal.getsignal(number) is before
    assert CALLS[0] == call
    assert step_of(checkpoints(tmp_path / "run")[-1]) == call
    HOOK.clear()
    assert tiny.same(whole, fitted(tmp_path / "run", network="dropping"))
    assert CALLS[0] == 6


@pytest.mark.parametrize("segment", [1, 2])
@pytest.mark.parametrize(("number", "error"), SIGNALS)
def test_a_signal_ends_a_step_that_compiles(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[BaseException],
    segment: int,
) -> None:
    """The compiler of a segment of the phase takes a minute, in which the signal comes."""
    begun: list[Any] = []
    slow = True

    def prepared(_: Compute, function: Any) -> Any:
        def called(*given: Any) -> Any:
            if function not in begun:
                begun.append(function)
                if slow and len(begun) == segment:
                    os.kill(os.getpid(), number)
                    time.sleep(60)
            return function(*given)

        return called

    monkeypatch.setattr(Compute, "prepared", prepared)
    how: dict[str, Any] = {"compute": replace(choose("cpu", "fp32", 1), compile=True)}
    how |= CASES["frozen"]
    began = time.monotonic()
    with pytest.raises(error):
        fitted(tmp_path / "run", **how)
    assert time.monotonic() - began < 30
    kept = [step_of(path) for path in checkpoints(tmp_path / "run")]
    assert (not kept) if segment == 1 else kept[-1] == CALLS[0]
    slow = False
    assert tiny.same(fitted(tmp_path / "run", **how), fitted(tmp_path / "whole", **how))


@pytest.mark.usefixtures("blocks_of_ten")
@pytest.mark.parametrize(("number", "error"), SIGNALS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_signal_stops_an_extraction_with_its_blocks(
    tmp_path: Path, number: int, error: type[BaseException], batch: int
) -> None:
    class Sender(tiny.Recorder):
        def happened(self, event: str) -> None:
            super().happened(event)
            if self.events.count("step:knowledge") == batch:
                os.kill(os.getpid(), number)

    expected = knowledge(tmp_path / "whole")
    with pytest.raises(error):
        knowledge(tmp_path / "run", Sender())
    recorder = tiny.Recorder()
    assert torch.equal(knowledge(tmp_path / "run", recorder), expected)
    assert recorder.events.count("step:knowledge") == 3 - batch


@pytest.mark.parametrize("step", [2, 3, 5, 6])
def test_weights_that_are_not_finite_never_replace_a_good_checkpoint(
    tmp_path: Path, step: int
) -> None:
    """A head's weight becomes NaN in a step whose loss is still finite."""

    def poison(call: int, outputs: Any) -> None:
        if call == step:
            with torch.no_grad():
                outputs.heads["spare"].weight[0, 0] = float("nan")

    HOOK.append(poison)
    with pytest.raises(UserError, match=r"phase 'fit': head\.spare\.weight holds NaN"):
        spared(tiny.trainer(tmp_path / "run", checkpoint_seconds=0.0))
    kept = checkpoints(tmp_path / "run")
    assert max(map(step_of, kept)) == step - 1
    for path in kept:
        tensors, _ = read_tensors(path)
        assert all(bool(torch.isfinite(w).all()) for w in tensors.values() if w.is_floating_point())
    HOOK.clear()
    resumed = spared(tiny.trainer(tmp_path / "run"))
    assert tiny.same(resumed, spared(tiny.trainer(tmp_path / "whole")))


def spared(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Trains with a head that no loss reads."""
    start = trainer.new_model()
    heads = {"spare": trainer.new_head("spare", new_head, start)}
    loss = Everything(trainer.supervised)
    return tiny.weights(trainer.fit(start, epochs=2, loss=loss, name="fit", heads=heads))


def test_srdl_with_a_checkpoint_at_each_step_gives_the_same_bits(tmp_path: Path) -> None:
    one, other = (
        tiny.weights(
            srdl(tiny.trainer(tmp_path / str(every), checkpoint_seconds=every), 4, SRDLOptions())[
                "srdl"
            ]
        )
        for every in (0.0, 600.0)
    )
    assert tiny.same(one, other)
