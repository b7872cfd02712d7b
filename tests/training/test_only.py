"""Parts of networks and of data sets: what stays unmoved, what is copied, which classes count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.opening import resolve_run
from reid_srdl.methods.srdl import Referenced
from reid_srdl.models.changes import Branches
from reid_srdl.tasks import open_task
from reid_srdl.training.losses import LabelLoss, Loss
from reid_srdl.training.precision import choose
from reid_srdl.training.trainer import Trainer
from reid_srdl.training.values import Model, Only, after, up_to
from tests.class_set import CLASSES, write_class_folder
from tests.training import tiny


@dataclass(frozen=True)
class AtStage(Loss):
    """Something to minimise on the maps of one stage."""

    needs: ClassVar[frozenset[str]] = frozenset({"stages"})
    stage: str

    def __call__(self, outputs: Any, batch: Any) -> Any:
        return {"maps": (outputs.own.stages[self.stage].mean((1, 2, 3)) - 1).square().mean()}


def moved(one: Model, other: Model) -> set[str]:
    """Returns the parts of the network of which a weight or a buffer moved."""
    before, now = tiny.weights(one), tiny.weights(other)
    names = {name for name in before if not torch.equal(before[name], now[name])}
    return {name.removeprefix("trunk.").split(".")[0] for name in names}


def trained(trainer: Trainer, only: Only | None, loss: Loss | None = None) -> tuple[Model, Model]:
    start = trainer.new_model(name="staged")
    loss = loss or trainer.supervised
    return start, trainer.fit(start, epochs=1, loss=loss, name="part", only=only)


def test_up_to_a_stage_nothing_behind_it_moves_or_is_computed(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    start, done = trained(trainer, up_to("stage2"), AtStage("stage2"))
    assert moved(start, done) == {"stage1", "stage2"}
    # 3 x 3 convolutions: 3 to 4 channels on 16 x 8, 4 to 6 on 8 x 4, for each of 8 images.
    first, second = 16 * 8 * 27 * 4, 8 * 4 * 36 * 6
    work = trainer.phases[-1].step_work
    assert work.forward == 8 * (first + second)
    assert work.backward == 8 * (first + 2 * second)  # no gradient of the images
    whole = tiny.planner()
    trained_whole = whole.new_model(name="staged")
    whole.fit(trained_whole, epochs=1, loss=whole.supervised, name="part")
    assert work.total < whole.phases[-1].step_work.total


def test_up_to_a_stage_there_are_no_logits_and_no_accuracy(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    trained(tiny.trainer(tmp_path, recorder), up_to("stage1"), AtStage("stage1"))
    assert recorder.rows[-1].networks["part"].accuracy is None


def test_after_a_stage_nothing_before_it_moves(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    start, done = trained(trainer, after("stage2"))
    assert moved(start, done) == {"stage3", "classifier"}
    work = trainer.phases[-1].step_work
    third = 4 * 2 * 54 * 8
    assert work.backward == 8 * (third + 2 * 8 * 3)  # neither stages 1 and 2, nor their maps


def test_a_part_that_is_not_trained_counts_no_batches(tmp_path: Path) -> None:
    """Its batch norm runs in evaluation mode, so the trained part sees running statistics."""
    trainer = tiny.trainer(tmp_path)
    start, done = trained(trainer, after("stage3"))
    assert moved(start, done) == {"classifier"}
    network = start.network.eval()
    (batch, *_) = tiny.training_set().epoch(8, 0, "part", 0)
    with torch.no_grad():
        expected = F.cross_entropy(network(batch.images).logits, batch.labels)
    recorder = tiny.Recorder()
    one_step = tiny.trainer(tmp_path / "one", recorder, training_set=tiny.training_set(8))
    trained(one_step, after("stage3"))
    (only_batch,) = tiny.training_set(8).epoch(8, 0, "part", 0)
    with torch.no_grad():
        expected = F.cross_entropy(network(only_batch.images).logits, only_batch.labels)
    assert recorder.rows[-1].networks["part"].terms["ce"] == pytest.approx(expected.item(), 1e-5)


def test_the_sides_are_other_phases_and_a_network_without_stages_is_told(tmp_path: Path) -> None:
    parts = (None, after("stage1"), after("stage2"))
    keys = {trained(tiny.trainer(tmp_path), only)[1].key for only in parts}
    assert len(keys) == 3
    trainer = tiny.trainer(tmp_path)
    start = trainer.new_model()
    with pytest.raises(UserError, match="tiny has no stages"):
        trainer.fit(start, epochs=1, loss=trainer.supervised, name="x", only=after("stage1"))


def test_copy_takes_the_first_stages_and_leaves_both_arguments(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    source, into = trained(trainer, None)[1], trainer.new_model("other", name="staged")
    before, other = tiny.weights(source), tiny.weights(into)
    copied = trainer.copy(source, into, 2)
    assert copied.key not in (source.key, into.key, trainer.copy(source, into, 1).key)
    assert tiny.same(before, tiny.weights(source))
    assert tiny.same(other, tiny.weights(into))
    for name, value in tiny.weights(copied).items():
        wanted = before if name.startswith(("trunk.stage1", "trunk.stage2")) else other
        assert torch.equal(value, wanted[name]), name
    with pytest.raises(UserError, match="4 stages of staged: it has 3"):
        trainer.copy(source, into, 4)


@dataclass(frozen=True)
class OnBranches(Loss):
    needs: ClassVar[frozenset[str]] = frozenset({"branches"})
    labels: LabelLoss

    def __call__(self, outputs: Any, batch: Any) -> Any:
        terms = dict(self.labels.of(outputs.own, batch))
        for name, branch in outputs.own.branches.items():
            terms[name] = self.labels.of(branch, batch)["ce"]
        return terms


def test_parts_answer_as_the_whole_network_does(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    start = trainer.new_model(name="staged", changes=(Branches(),))
    done = trainer.fit(start, epochs=1, loss=OnBranches(trainer.supervised), name="branched")
    images = next(tiny.training_set().clean(8))
    with torch.no_grad():
        whole = done.network.eval()(images, {"branches"})
        expected = {"trunk": whole.logits} | {n: b.logits for n, b in whole.branches.items()}
        assert len(expected) == 3
        for name, logits in expected.items():
            part = trainer.part(done, name)
            assert torch.allclose(part.network.eval()(images).logits, logits, atol=1e-6), name
    keys = {trainer.part(done, name).key for name in expected} | {done.key}
    assert len(keys) == 4
    with pytest.raises(UserError, match="no part 'branch9'"):
        trainer.part(done, "branch9")


def test_a_view_trains_on_its_classes_alone(tmp_path: Path) -> None:
    """Labels are places in the view; the oracle trains on those images as a set of their own."""
    recorder = tiny.Recorder()
    trainer = tiny.trainer(tmp_path, recorder)
    view = trainer.view(["2", "0"])
    start = trainer.new_model(view=view)
    assert (start.spec.classes, start.view) == (2, view)
    done = trainer.fit(start, epochs=1, loss=trainer.supervised, name="some")
    assert done.view == view
    assert (trainer.phases[-1].images, trainer.phases[-1].steps) == (17, 2)
    assert recorder.rows[-1].images == 16

    everything = tiny.training_set()
    chosen = [row for row in range(26) if row % 3 != 1]
    mine = everything.of_classes([2, 0])
    (batch, *_) = mine.epoch(8, 0, "some", 0)
    rows = torch.tensor(chosen)[batch.index]
    assert torch.equal(batch.labels, torch.where(rows % 3 == 2, 0, 1))
    assert trainer.new_model(view=trainer.view(["0", "2"])).key == start.key  # drawn alike
    other = trainer.view(["0", "2"])
    anew = tiny.trainer(tmp_path)
    again = anew.fit(anew.new_model(view=other), epochs=1, loss=anew.supervised, name="some")
    assert again.key != done.key  # but another phase: labels mean other classes


def test_knowledge_of_a_view_has_a_row_for_each_of_its_images(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    view = trainer.view(["1", "2"])
    start = trainer.new_model(view=view)
    knowledge = trainer.extract(start)
    (key,) = knowledge.tables
    rows = [row for row in range(26) if row % 3 != 0]
    table = trainer._rows(key, torch.arange(len(rows)))
    images = tiny.training_set().images
    with torch.no_grad():
        clean = torch.cat(list(images.in_order(26)))[rows]
        expected = start.network.eval()(clean).logits
    assert torch.allclose(table, expected, atol=2e-3)
    loss = Referenced(trainer.supervised, knowledge, 3.0)
    done = trainer.fit(start, epochs=1, loss=loss, name="taught")
    assert done.view == view


@pytest.mark.parametrize(
    ("classes", "told"), [(["0", "9"], "no classes 9"), (["0", "0"], "fewer"), (["0"], "fewer")]
)
def test_a_view_that_makes_no_sense_is_refused(classes: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        tiny.planner().view(classes)


def test_a_view_of_fewer_images_than_a_batch_is_refused(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path, training_set=tiny.training_set(11))
    start = trainer.new_model(view=trainer.view(["0", "2"]))
    with pytest.raises(UserError, match="8 is more than the 7 images of phase 'few'"):
        trainer.fit(start, epochs=1, loss=trainer.supervised, name="few")


def test_a_model_of_a_view_is_judged_on_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_SRDL_CACHE", str(tmp_path / "cache"))
    root = write_class_folder(tmp_path / "set", train=2, test=3)
    data = {"name": "class-folder", "dir": root, "height": 32, "width": 16}
    tree = {"data": data, "optim": {"batch_size": 4}, "method": {"name": "vanilla"}}
    compute = choose("cpu", "fp32", 1)
    task = open_task(resolve_run(experiment(tree), compute), compute, lambda *_: None)
    assert task.classes == CLASSES
    planner = tiny.trainer(tmp_path / "run")
    planner.classes = CLASSES
    view = planner.view(["elk", "ant", "cat"])
    model = planner.new_model(view=view)
    (judged,) = task.judge({"some": model}, {}).values()

    logits, labels = [], []
    for row, images in enumerate(task.test_images.in_order(1)):  # type: ignore[attr-defined]
        name = CLASSES[int(task.test_labels[row])]  # type: ignore[attr-defined]
        if name in view.classes:
            with torch.no_grad():
                logits.append(model.network.eval()(images).logits)
            labels.append(view.classes.index(name))
    scores: Tensor = torch.cat(logits)
    top1 = np.mean(scores.argmax(1).numpy() == np.array(labels))
    ce = F.cross_entropy(scores, torch.tensor(labels)).item()
    result: Any = judged.result
    assert len(labels) == 9
    assert result.top1 == pytest.approx(top1)
    assert result.loss == pytest.approx(ce, abs=1e-5)
    with pytest.raises(UserError, match="know different classes"):
        task.judge({}, {"a+b": [model, planner.new_model()]})
