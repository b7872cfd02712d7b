"""Steps of several networks against plain loops: at once, in turn, with frozen ones and heads."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.errors import UserError
from reid_srdl.methods.srdl import Referenced
from reid_srdl.seeds import derive, uniform
from reid_srdl.training.losses import LabelLoss, Loss
from reid_srdl.training.schedule import StepDecay
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model
from tests.training import tiny

SEEN: list[Any] = []  # what the losses and hooks below came to see


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


@dataclass(frozen=True)
class Mutual(Loss):
    labels: LabelLoss

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from reid_srdl.training.terms import soft_kl

        (peer,) = outputs.peers.values()
        SEEN.append((outputs.own.logits.requires_grad, peer.logits.requires_grad))
        kl = soft_kl(peer.logits, outputs.own.logits, 1.0)
        return {**self.labels.of(outputs.own, batch), "kl": kl}


def two(trainer: Trainer, *, in_turn: bool, reverse: bool = False) -> dict[str, Model]:
    starts = {"one": trainer.new_model(), "other": trainer.new_model("other", name="wide")}
    if reverse:
        starts = dict(reversed(starts.items()))
    losses = dict.fromkeys(starts, Mutual(trainer.supervised))
    return trainer.fit_together(starts, losses, epochs=1, name="two", in_turn=in_turn)


def by_hand(trainer: Trainer, *, in_turn: bool) -> dict[str, nn.Module]:
    """Three steps of Deep Mutual Learning, written out for two networks."""
    made = (trainer.new_model(), trainer.new_model("other", name="wide"))
    nets: list[Any] = [copy.deepcopy(model.network).train() for model in made]
    velocity = [{k: torch.zeros_like(w) for k, w in net.named_parameters()} for net in nets]
    decay = StepDecay(0.1)

    def loss(own: Tensor, peer: Tensor, labels: Tensor) -> Tensor:
        log_p, log_q = own.log_softmax(1), peer.detach().log_softmax(1)
        return F.cross_entropy(own, labels) + (log_q.exp() * (log_q - log_p)).sum(1).mean()

    def update(place: int, lr: float) -> None:
        with torch.no_grad():
            for name, w in nets[place].named_parameters():
                g = w.grad + 2e-4 * w
                velocity[place][name] = 0.9 * velocity[place][name] + g
                w -= lr * (g + 0.9 * velocity[place][name])

    for step, batch in enumerate(tiny.training_set().epoch(8, 0, "two", 0)):
        lr = decay.at(step, 3)
        for net in nets:
            net.zero_grad()
        one, other = (net(batch.images).logits for net in nets)
        if not in_turn:
            both = loss(one, other, batch.labels) + loss(other, one, batch.labels)
            both.backward()
            update(0, lr)
            update(1, lr)
            continue
        loss(one, other, batch.labels).backward()
        update(0, lr)
        with torch.no_grad():
            refreshed = copy.deepcopy(nets[0])(
                batch.images
            ).logits  # its statistics are thrown away
        loss(other, refreshed, batch.labels).backward()
        update(1, lr)
    return dict(zip(("one", "other"), nets, strict=True))


@pytest.mark.parametrize("in_turn", [False, True])
def test_two_networks_are_those_of_a_plain_loop(tmp_path: Path, in_turn: bool) -> None:
    expected = by_hand(tiny.trainer(tmp_path / "hand"), in_turn=in_turn)
    done = two(tiny.trainer(tmp_path / "run"), in_turn=in_turn)
    assert set(SEEN) == {(True, False)}  # peers are detached
    for name, network in expected.items():
        ours = tiny.weights(done[name])
        for key, value in network.state_dict().items():
            assert torch.allclose(ours[key].float(), value.float(), atol=1e-6), (name, key)


def test_in_turn_differs_from_at_once_and_by_the_order(tmp_path: Path) -> None:
    once, turn, reverse = (
        two(tiny.trainer(tmp_path), **how)
        for how in ({"in_turn": False}, {"in_turn": True}, {"in_turn": True, "reverse": True})
    )
    assert len({once["one"].key, turn["one"].key, reverse["one"].key}) == 3
    assert not tiny.same(tiny.weights(once["other"]), tiny.weights(turn["other"]))
    assert not tiny.same(tiny.weights(turn["other"]), tiny.weights(reverse["other"]))
    counted = [turn[name].network.trunk[1].num_batches_tracked for name in turn]
    assert [int(steps) for steps in counted] == [3, 3]  # refreshed passes left no trace


@dataclass(frozen=True)
class Following(Loss):
    """The labels' loss, and a head on the features that follows a frozen network's."""

    labels: LabelLoss

    def __call__(self, outputs: Any, batch: Any) -> Any:
        ours = outputs.heads["head"](outputs.own.features)
        theirs = outputs.frozen["teacher"].features
        SEEN.append(("grad", theirs.requires_grad))
        return {**self.labels.of(outputs.own, batch), "far": (ours - theirs).square().mean()}


def new_head(student: Any, teacher: Any) -> nn.Module:
    made = nn.Linear(student.feature_dim, teacher.feature_dim)
    SEEN.append(("head", made, made.weight.detach().clone()))
    return made


def following(trainer: Trainer, teacher: Model, name: str = "following") -> Model:
    student = trainer.new_model()
    head = trainer.new_head("head", new_head, student, teacher)
    return trainer.fit(
        student,
        epochs=1,
        loss=Following(trainer.supervised),
        name=name,
        frozen={"teacher": teacher},
        heads={"head": head},
    )


def see(module: nn.Module, arguments: Any) -> None:
    SEEN.append((module.training, arguments[0].clone()))


@pytest.mark.parametrize("size", [tiny.SIZE, (8, 4)])
def test_a_frozen_network_sees_the_very_crop_and_never_moves(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    trainer = tiny.trainer(tmp_path)
    teacher = trainer.new_model("teacher", name="wide", size=size)
    before = tiny.weights(teacher)
    teacher.network.register_forward_pre_hook(see)  # hooks go with copies
    following(trainer, teacher)
    assert tiny.same(before, tiny.weights(teacher))
    assert [one for one in SEEN if one[0] == "grad"] == [("grad", False)] * 3
    passes = [one for one in SEEN if isinstance(one[0], bool)]
    crops = [batch.images for batch in tiny.training_set().epoch(8, 0, "following", 0)]
    for (training, seen), images in zip(passes, crops, strict=True):
        assert not training
        assert seen.shape[-2:] == size
        half = (
            images
            if size == tiny.SIZE
            else F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        )
        assert torch.equal(seen, half)


def test_a_head_learns_with_the_phase_and_ends_with_it(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    teacher = trainer.new_model("teacher", name="wide")
    student = following(trainer, teacher)
    (_, first, start), *_ = [one for one in SEEN if one[0] == "head"]
    assert not torch.equal(first.weight, start)
    assert tiny.weights(student).keys() == tiny.weights(trainer.new_model()).keys()
    SEEN.clear()
    following(trainer, teacher, "again")  # another phase begins with a new one, of the same draw
    (_, second, again), *_ = [one for one in SEEN if one[0] == "head"]
    assert second is not first
    assert torch.equal(again, start)


@dataclass(frozen=True)
class Centred(Loss):
    needs: ClassVar[frozenset[str]] = frozenset({"draws"})
    labels: LabelLoss

    @property
    def modules(self) -> Mapping[str, Any]:
        return {"centres": new_centres}

    def __call__(self, outputs: Any, batch: Any) -> Any:
        from reid_srdl.training.terms import weighted_mean

        SEEN.append((batch.index.clone(), batch.draws.clone()))
        far = (outputs.own.features - outputs.heads["centres"](batch.labels)).square().sum(1)
        centre = weighted_mean(far * batch.draws[:, 0], batch.weight)
        return {**self.labels.of(outputs.own, batch), "centre": centre}


def new_centres(network: Any) -> nn.Module:
    made = nn.Embedding(network.classes, network.feature_dim)
    SEEN.append(("centres", made, made.weight.detach().clone()))
    return made


def centred(folder: Path, monitor: Any = None, *, seed: int = 0, every: float = 600.0) -> Model:
    trainer = tiny.trainer(folder, monitor, seed=seed, checkpoint_seconds=every)
    loss = Centred(trainer.supervised)
    return trainer.fit(trainer.new_model(), epochs=2, loss=loss, name="centred")


def centres_and_draws() -> tuple[Any, Tensor, list[Any]]:
    ((_, module, start),) = [one for one in SEEN if isinstance(one[0], str)]
    draws = [one for one in SEEN if not isinstance(one[0], str)]
    SEEN.clear()
    return module, start, draws


def test_a_losss_modules_are_trained_and_drawn_by_the_seed(tmp_path: Path) -> None:
    centred(tmp_path / "a")
    module, start, _ = centres_and_draws()
    assert not torch.equal(module.weight, start)
    torch.manual_seed(99)  # whatever was drawn before does not matter
    centred(tmp_path / "b")
    again, same_start, _ = centres_and_draws()
    assert torch.equal(start, same_start)
    assert torch.equal(module.weight, again.weight)
    centred(tmp_path / "c", seed=1)
    assert not torch.equal(start, centres_and_draws()[1])


def test_draws_are_a_function_of_seed_phase_epoch_and_index(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    class Stopper(tiny.Recorder):
        def happened(self, event: str) -> None:
            if event == "epoch:centred:1":
                raise StopError

    centred(tmp_path / "whole")
    _, _, draws = centres_and_draws()
    assert len(draws) == 6
    for number, (index, drawn) in enumerate(draws):
        seed = derive(0, "centred", number // 3, "draws")
        expected = uniform(seed, np.asarray(index), tiny.CLASSES)
        assert torch.equal(drawn, torch.from_numpy(expected))
    with pytest.raises(StopError):
        centred(tmp_path / "stopped", Stopper())
    SEEN.clear()
    centred(tmp_path / "stopped")
    for ours, theirs in zip(centres_and_draws()[2], draws[3:], strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_a_hidden_label_teaches_nothing(tmp_path: Path) -> None:
    """With weights of 0 the gradient is that of the others' mean: by hand, for one step."""
    images = tiny.training_set(8)
    hidden = torch.tensor([0, 3, 5])
    images.weight[hidden] = 0.0
    trainer = tiny.trainer(tmp_path, training_set=images)
    start = trainer.new_model()
    trained = trainer.fit(start, epochs=1, loss=trainer.supervised, name="hidden")
    network = copy.deepcopy(start.network).train()
    (batch,) = images.epoch(8, 0, "hidden", 0)
    shown = ~torch.isin(batch.index, hidden)
    assert int(shown.sum()) == 5
    F.cross_entropy(network(batch.images).logits[shown], batch.labels[shown]).backward()
    for name, w in network.named_parameters():
        assert w.grad is not None
        g = w.grad + 2e-4 * w
        expected = w - 0.1 * (g + 0.9 * g)
        assert torch.allclose(tiny.weights(trained)[name], expected, atol=1e-6), name

    open_set = tiny.training_set(8)
    trainer = tiny.trainer(tmp_path / "open", training_set=open_set)
    other = trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="hidden")
    assert not tiny.same(tiny.weights(other), tiny.weights(trained))


def test_several_teachers_are_softened_and_averaged(tmp_path: Path) -> None:
    images = tiny.training_set(8)
    trainer = tiny.trainer(tmp_path, training_set=images)
    teachers = [trainer.new_model(draw) for draw in ("a", "b")]
    knowledge = trainer.extract(*teachers)
    assert [phase.name for phase in trainer.phases] == ["knowledge", "knowledge-2"]
    tables = [tiny.table(trainer, knowledge, number) for number in range(2)]
    recorder = tiny.Recorder()
    trainer = tiny.trainer(tmp_path, recorder, training_set=images)
    knowledge = trainer.extract(*teachers)
    start, T = trainer.new_model(), 2.0  # noqa: N806 - the paper's name
    loss = Referenced(trainer.supervised, knowledge, T)
    trainer.fit(start, epochs=1, loss=loss, name="taught")
    (batch,) = images.epoch(8, 0, "taught", 0)
    z = copy.deepcopy(start.network).train()(batch.images).logits
    p_star = sum((table[batch.index] / T).softmax(1) for table in tables) / 2
    kl = (p_star * (p_star.log() - (z / T).log_softmax(1))).sum(1).mean()
    told = recorder.rows[-1].networks["taught"].terms
    assert told["kl"] == pytest.approx(T**2 * kl.item(), abs=1e-6)
    assert told["ce"] == pytest.approx(F.cross_entropy(z, batch.labels).item(), abs=1e-6)


def test_a_head_of_the_name_of_a_losss_module_is_refused(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    start = trainer.new_model()
    with pytest.raises(UserError, match=r"phase 'one': centres of one is a head, too"):
        trainer.fit(
            start,
            epochs=1,
            loss=Centred(trainer.supervised),
            name="one",
            heads={"centres": trainer.new_head("centres", new_centres, start)},
        )
