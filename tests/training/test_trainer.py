"""The verbs' contract: durable, untouched arguments, draws by name, Algorithm 1's schedule."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reid_srdl.errors import UserError
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from reid_srdl.training.losses import CrossEntropy, Loss
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import Span, StepDecay
from tests.training import tiny

ROOT = Path(__file__).parents[2]


def test_fit_leaves_its_argument_untouched(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    start = trainer.new_model()
    before = tiny.weights(start)
    trained = trainer.fit(start, epochs=1, loss=trainer.supervised, name="one")
    assert tiny.same(before, tiny.weights(start))
    assert not tiny.same(before, tiny.weights(trained))


def test_draws_are_named(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    first, again, other = (
        tiny.weights(trainer.new_model(draw)) for draw in ("init", "init", "restart")
    )
    assert tiny.same(first, again)
    assert not tiny.same(first, other)


def test_two_steps_are_nesterov_sgd(tmp_path: Path) -> None:
    """The oracle writes the update out: v <- mu v + g, w <- w - lr (g + mu v), g with decay."""
    images = tiny.training_set(16)
    decay = StepDecay(0.1, milestones=(0.5,))
    trainer = tiny.trainer(
        tmp_path, training_set=images, optimisation=Optimisation(decay, 0.9, True, 2e-4, 8)
    )
    start = trainer.new_model()
    trained = trainer.fit(start, epochs=1, loss=trainer.supervised, name="golden")

    network = start.network.train()
    velocity = {name: torch.zeros_like(w) for name, w in network.named_parameters()}
    for batch, lr in zip(images.epoch(8, 0, "golden", 0), (0.1, 0.01), strict=True):
        network.zero_grad()
        F.cross_entropy(network(batch.images).logits, batch.labels).backward()
        with torch.no_grad():
            for name, w in network.named_parameters():
                assert w.grad is not None
                g = w.grad + 2e-4 * w
                velocity[name] = 0.9 * velocity[name] + g
                w -= lr * (g + 0.9 * velocity[name])
    for name, expected in network.state_dict().items():
        assert torch.allclose(trained.network.state_dict()[name], expected, atol=1e-6), name


def test_finished_phases_are_read_back(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    once = srdl(tiny.trainer(tmp_path, recorder), 4, SRDLOptions())["srdl"]
    assert recorder.shares == {"first": 0.0, "knowledge": 0.0, "second": 0.0}
    recorder = tiny.Recorder()
    again = srdl(tiny.trainer(tmp_path, recorder), 4, SRDLOptions())["srdl"]
    assert tiny.same(tiny.weights(once), tiny.weights(again))
    assert recorder.events == ["open:first:2", "open:knowledge:0", "open:second:2"]
    assert recorder.shares == {"first": 1.0, "knowledge": 1.0, "second": 1.0}


def test_a_changed_setting_never_reuses_a_phase(tmp_path: Path) -> None:
    base = {"epochs": 1, "loss": CrossEntropy(), "name": "one"}
    keys = set()
    for changes, more in (
        ({}, {}),
        ({"seed": 1}, {}),
        ({"network": "wide"}, {}),
        ({"name": "cifar10"}, {}),
        ({"training_set": tiny.training_set(24)}, {}),
        ({"optimisation": Optimisation(StepDecay(0.2), 0.9, True, 2e-4, 8)}, {}),
        ({}, {"epochs": 2}),
        ({}, {"name": "two"}),
        ({}, {"span": Span(0, 2)}),
    ):
        trainer = tiny.trainer(tmp_path, **changes)
        keys.add(trainer.fit(trainer.new_model(), **{**base, **more}).key)
    assert len(keys) == 9


def _stopped_after(tmp_path: Path, epochs: int) -> dict[str, torch.Tensor]:
    class StopError(Exception):
        pass

    class Stopper(tiny.Recorder):
        def happened(self, event: str) -> None:
            if event == f"epoch:vanilla:{epochs}":
                raise StopError

    with pytest.raises(StopError):
        vanilla(tiny.trainer(tmp_path, Stopper()), 4, VanillaOptions())
    return tiny.weights(vanilla(tiny.trainer(tmp_path), 4, VanillaOptions())["vanilla"])


def test_going_on_after_any_epoch_is_bit_identical(tmp_path: Path) -> None:
    whole = tiny.weights(vanilla(tiny.trainer(tmp_path / "whole"), 4, VanillaOptions())["vanilla"])
    for epochs in (1, 2, 3, 4):
        assert tiny.same(whole, _stopped_after(tmp_path / str(epochs), epochs))


POINTS = ["open:first:0", "epoch:first:2", "step:knowledge", "rename:2", "rename:4", "rename:6"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("whole")
    assert _run(folder, "never") == 0
    return torch.load(folder / "result.pt", weights_only=True)


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_then_resume(
    tmp_path: Path, point: str, uninterrupted: dict[str, torch.Tensor]
) -> None:
    assert _run(tmp_path, point) == -9
    assert not (tmp_path / "result.pt").exists()
    assert _run(tmp_path, "never") == 0
    assert tiny.same(uninterrupted, torch.load(tmp_path / "result.pt", weights_only=True))


def _run(folder: Path, kill_at: str) -> int:
    command = [sys.executable, "-m", "tests.training.tiny", str(folder), kill_at]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    fails_at = 5  # 3 steps an epoch

    calls = [0]

    @dataclass(frozen=True)
    class Bad(Loss):
        def __call__(self, outputs, batch):  # type: ignore[no-untyped-def]
            calls[0] += 1
            factor = float("nan") if calls[0] == fails_at else 1.0
            return {"ce": F.cross_entropy(outputs.own.logits, batch.labels) * factor}

    trainer = tiny.trainer(tmp_path)
    with pytest.raises(UserError, match=r"loss is nan at epoch 2, batch 2 of 3") as caught:
        trainer.fit(trainer.new_model(), epochs=3, loss=Bad(), name="bad")
    assert "checkpoint of epoch 1 is kept" in caught.value.what
    recorder, fails_at = tiny.Recorder(), 0
    trainer = tiny.trainer(tmp_path, recorder)
    trainer.fit(trainer.new_model(), epochs=3, loss=Bad(), name="bad")
    assert recorder.events[0] == "open:bad:1"


def test_extract_is_one_row_per_sample_in_order(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    model = trainer.new_model()
    knowledge = trainer.extract(model)
    model.network.eval()
    with torch.no_grad():
        one_by_one = [
            model.network(images).logits for images in tiny.training_set().images.in_order(1)
        ]
    assert torch.allclose(tiny.table(trainer, knowledge), torch.cat(one_by_one), atol=2e-3)


def test_extract_with_flip_averages_both_views(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    model = trainer.new_model()
    both = tiny.table(trainer, trainer.extract(model, flip=True))
    model.network.eval()
    with torch.no_grad():
        rows = [
            (model.network(x).logits + model.network(x.flip(3)).logits) / 2
            for x in tiny.training_set().images.in_order(26)
        ]
    assert torch.allclose(both, torch.cat(rows), atol=2e-3)


def test_an_extraction_goes_on_at_its_last_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """26 samples in batches of 10, each batch a block; stopped when the third is computed."""

    class StopError(Exception):
        pass

    class Stopper(tiny.Recorder):
        def happened(self, event: str) -> None:
            super().happened(event)
            if self.events.count("step:knowledge") == 3:
                raise StopError

    trainer = tiny.trainer(tmp_path / "whole")
    whole = trainer.extract(trainer.new_model())
    expected = tiny.table(trainer, whole)
    monkeypatch.setattr("reid_srdl.training.extraction.BLOCK_BYTES", 10 * 3 * 2)
    trainer = tiny.trainer(tmp_path / "stopped", Stopper())
    with pytest.raises(StopError):
        trainer.extract(trainer.new_model())
    (table,) = (tmp_path / "stopped").glob("*.npy")
    assert not np.load(table)[20:].any()
    assert np.load(table)[:20].any(axis=1).all()

    recorder = tiny.Recorder()
    trainer = tiny.trainer(tmp_path / "stopped", recorder)
    resumed = trainer.extract(trainer.new_model())
    assert recorder.events.count("step:knowledge") == 1
    assert torch.equal(tiny.table(trainer, resumed), expected)
    assert resumed.key == whole.key
    assert torch.equal(tiny.table(trainer, resumed), torch.from_numpy(np.load(table)).float())


def test_knowledge_that_is_gone_is_extracted_again(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    first = tiny.table(trainer, trainer.extract(trainer.new_model()))
    (table,) = tmp_path.glob("*.npy")
    table.unlink()
    trainer = tiny.trainer(tmp_path)
    assert torch.equal(tiny.table(trainer, trainer.extract(trainer.new_model())), first)


def test_knowledge_in_its_file_trains_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = srdl(tiny.trainer(tmp_path / "a"), 4, SRDLOptions())["srdl"]
    monkeypatch.setattr("reid_srdl.training.extraction.HOST_BYTES", 0)
    in_file = srdl(tiny.trainer(tmp_path / "b"), 4, SRDLOptions())["srdl"]
    assert tiny.same(tiny.weights(in_memory), tiny.weights(in_file))


def test_changing_theta_star_after_extraction_changes_nothing(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    model = trainer.new_model()
    knowledge = trainer.extract(model)
    before = tiny.table(trainer, knowledge).clone()
    with torch.no_grad():
        for w in model.network.parameters():
            w.add_(1.0)
    assert torch.equal(tiny.table(trainer, knowledge), before)


def test_threads_are_restored() -> None:
    from reid_srdl.training.precision import choose

    before = torch.get_num_threads()
    with choose("cpu", "fp32", 1).activated():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_epochs_are_functions_of_names_not_of_history() -> None:
    images = tiny.training_set()
    again = [batch.index for batch in images.epoch(8, 0, "first", 3)]
    list(images.epoch(8, 0, "first", 2))
    for expected, batch in zip(again, images.epoch(8, 0, "first", 3), strict=True):
        assert torch.equal(expected, batch.index)
    other = np.concatenate([batch.index for batch in images.epoch(8, 0, "second", 3)])
    assert not np.array_equal(np.concatenate(again), other)
