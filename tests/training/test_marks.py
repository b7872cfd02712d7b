"""A network that learned nothing, that says nothing, or that is poisoned, is told."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.records.cost import Mark
from reid_srdl.training.losses import CrossEntropy, Loss, Outputs
from reid_srdl.training.monitor import NetworkRow
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import StepDecay
from tests.training import tiny


@dataclass(frozen=True)
class Spoiled(Loss):
    """Cross-entropy whose gradient is too large for float32 at one step; its value is as ever."""

    at: int

    def __call__(self, outputs: Outputs, batch: Any) -> dict[str, Tensor]:
        calls.append(0)
        z = outputs.own.logits
        ce = torch.nn.functional.cross_entropy(z, batch.labels)
        if len(calls) == self.at:
            ce = ce + (z - z.detach()).sum() * 3e38
        return {"odd": ce}


calls: list[int] = []


def fit(folder: Path, loss: Loss, recorder: tiny.Recorder | None = None, epochs: int = 2) -> Any:
    calls.clear()
    trainer = tiny.trainer(folder / "phases", recorder)
    trainer.fit(trainer.new_model(), epochs=epochs, loss=loss, name="one")
    return trainer.phases[-1]


def test_the_plain_cross_entropy_is_measured_whatever_the_loss(tmp_path: Path) -> None:
    plain = fit(tmp_path / "a", CrossEntropy())
    other = fit(tmp_path / "b", Spoiled(0))
    for one, two in zip(plain.rows, other.rows, strict=True):
        ours, theirs = one.networks["one"], two.networks["one"]
        assert ours.ce == ours.terms["ce"] == pytest.approx(theirs.ce, abs=1e-6)
        assert set(theirs.terms) == {"odd"}


@pytest.mark.parametrize("at", [3, 6])  # the last step of the first epoch, and of the phase
def test_14_weights_that_are_poisoned_by_the_last_step_are_not_kept(
    tmp_path: Path, at: int
) -> None:
    with pytest.raises(UserError, match=rf"network\..* holds (NaN|infinity) after epoch {at // 3}"):
        fit(tmp_path, Spoiled(at))
    recorder = tiny.Recorder()
    phase = fit(tmp_path, Spoiled(99), recorder)  # the same key but for `at`: begins anew
    assert recorder.events[0] == "open:one:0"
    assert [row.epoch for row in phase.rows] == [1, 2]


def test_14_finite_weights_whose_answers_are_not_are_refused_at_the_end(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path / "phases")
    model = trainer.new_model()
    with torch.no_grad():
        model.network.classifier.weight.fill_(3e38)

    @dataclass(frozen=True)
    class Still(Loss):
        def __call__(self, outputs: Outputs, batch: Any) -> dict[str, Tensor]:
            return {"zero": outputs.own.features.sum() * 0}

    with pytest.raises(UserError, match=r"loss is (nan|inf)|the network answers NaN"):
        trainer.fit(model, epochs=1, loss=Still(), name="one")


def test_the_hint_is_a_command_that_starts_from_the_last_good_epoch(tmp_path: Path) -> None:
    run = tmp_path / "my run"
    with pytest.raises(UserError) as caught:
        fit(run, Spoiled(6))
    words = shlex.split(caught.value.hint.partition(": ")[2])
    assert words == [
        *("reid-srdl", "train", "--from", f"{run}:one@1", "--set", "optim.lr=0.03"),
    ]
    with pytest.raises(UserError) as caught:
        fit(tmp_path / "other", Spoiled(3))
    words = shlex.split(caught.value.hint.partition(": ")[2])
    assert words[2:6] == [
        *("--config", str(tmp_path / "other/config.yaml"), "--name", "other-2"),
    ]


def test_knowledge_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    for value in (math.nan, math.inf):
        trainer = tiny.trainer(tmp_path)
        model = trainer.new_model()
        with torch.no_grad():
            model.network.classifier.bias[1] = value
        with pytest.raises(UserError, match="phase 'knowledge': the network answers NaN"):
            trainer.extract(model)
        assert not list(tmp_path.glob("*.safetensors"))


def marks(folder: Path, spoil: Any, lr: float = 1e-6) -> tuple[Mark, ...]:
    recorder = tiny.Recorder()
    decay = Optimisation(StepDecay(lr), 0.9, True, 0.0, 8)
    trainer = tiny.trainer(folder, recorder, optimisation=decay)
    model = trainer.new_model()
    with torch.no_grad():
        spoil(model.network)
    trainer.fit(model, epochs=2, loss=trainer.supervised, name="one")
    *_, row = trainer.phases[-1].rows
    found = row.networks["one"].marks
    assert len(recorder.warnings) == len(found)
    assert trainer.phases[-1].rows[0].networks["one"].marks == ()
    again = tiny.trainer(folder, tiny.Recorder(), optimisation=decay)
    again.fit(again.new_model(), epochs=2, loss=again.supervised, name="one")
    assert again.phases[-1].rows[-1].networks["one"].marks == found
    return found


def test_at_chance_and_collapsed(tmp_path: Path) -> None:
    def nothing(network: Any) -> None:
        pass

    def know_nothing(network: Any) -> None:
        network.classifier.weight.zero_()
        network.classifier.bias.zero_()

    def die(network: Any) -> None:  # four of six channels are below zero everywhere
        network.trunk[1].bias[:4] = -100.0

    assert marks(tmp_path / "a", nothing, lr=0.1) == ()
    assert marks(tmp_path / "b", know_nothing) == ("at chance",)
    assert "collapsed" in marks(tmp_path / "c", die)


def test_half_of_the_features_may_be_still(tmp_path: Path) -> None:
    def die(network: Any) -> None:
        network.trunk[1].bias[:3] = -100.0

    assert "collapsed" not in marks(tmp_path, die)


@pytest.mark.parametrize(("ce", "marked"), [(0.97, False), (0.971, True)])
def test_the_edge_of_chance(tmp_path: Path, ce: float, marked: bool) -> None:
    from reid_srdl.training.marks import marks_of

    trainer = tiny.trainer(tmp_path)
    row = NetworkRow(terms={}, accuracy=0.1, ce=ce * math.log(tiny.CLASSES))
    found = marks_of(trainer.new_model().network, row, tiny.training_set(), trainer._compute, 8)
    assert ("at chance" in found) == marked
