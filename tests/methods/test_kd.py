"""Distillation as its sources write it: whose knowledge, which loss, at which cost."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_srdl.analysis.cost import trcost
from reid_srdl.config import resolve
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.first_weights import told_of_others
from reid_srdl.jobs.rehearsal import rehearse
from reid_srdl.methods import OPTIONS
from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from reid_srdl.models.build import build
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.weights import save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import read_record
from reid_srdl.training.trainer import Trainer
from tests.methods import exact
from tests.training import tiny
from tests.training.test_teachers import CONTENT, finished, origin

__all__ = ["finished"]


def by_hand(
    start: nn.Module, phase: str, teachers: list[Any], options: KDOptions, hidden: int = 0
) -> Any:
    """Five steps of CE + T^2 KL(p, q), or (1 - a) CE + a T^2 CE(p, q); without a teacher of CE."""
    student, T, a = exact.Descent(start), options.temperature, options.alpha  # noqa: N806
    images = exact.images(hidden)
    teachers = [copy.deepcopy(teacher).double().eval() for teacher in teachers]

    def soft(z: Tensor) -> Tensor:
        if options.standardise:
            z = (z - z.mean(1, keepdim=True)) / z.std(1, correction=0, keepdim=True)
        return (z / T).softmax(1)

    @torch.no_grad()
    def told(teacher: Any, batch: Any) -> Tensor:
        if options.view == "online":
            return soft(teacher(batch.images).logits)
        (clean,) = images.images.in_order(len(images))
        z = teacher(clean).logits
        if options.view == "clean+flip":
            z = (z + teacher(clean.flip(3)).logits) / 2
        return soft(z.half().double()[batch.index])

    for batch in exact.batches(phase, hidden):
        z, known = student.net(batch.images).logits, batch.weight
        ce = (known * F.cross_entropy(z, batch.labels, reduction="none")).sum() / known.sum().clamp(
            1
        )
        if not teachers:
            student.down(ce)
            continue
        p, q = sum(told(teacher, batch) for teacher in teachers) / len(teachers), soft(z)
        if options.form == "paper":
            student.down(ce + T**2 * (p * (p / q).log()).sum(1).mean())
        else:
            student.down((1 - a) * ce - a * T**2 * (p * q.log()).sum(1).mean())
    return student.net


@pytest.mark.parametrize("hidden", [0, 20])
@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"standardise": True},
        {"view": "clean+flip", "temperature": 1.0},
        {"view": "online", "temperature": 4.0},
        {"form": "lecture"},
        {"form": "lecture", "alpha": 0.3, "standardise": True, "view": "online"},
    ],
)
def test_five_steps_are_those_of_a_plain_loop(
    tmp_path: Path, chosen: dict[str, Any], hidden: int
) -> None:
    options = KDOptions(teacher="wide", **chosen)
    trainer = exact.trainer(tmp_path, "tiny", hidden)
    start = trainer.new_model("teacher", name="wide").network
    teacher = by_hand(start, "teacher", [], options, hidden)
    expected = by_hand(trainer.new_model().network, "kd", [teacher], options, hidden)
    assert exact.gap(kd(trainer, 1, options), {"kd": expected}) < 1e-9


@pytest.mark.parametrize("hidden", [0, 20])
def test_vanilla_is_a_plain_loop(tmp_path: Path, hidden: int) -> None:
    trainer = exact.trainer(tmp_path, "tiny", hidden)
    expected = by_hand(
        trainer.new_model().network, "vanilla", [], KDOptions(teacher="none"), hidden
    )
    assert exact.gap(vanilla(trainer, 1, VanillaOptions()), {"vanilla": expected}) < 1e-9


def taught(folder: Path, epochs: int = 4, monitor: Any = None, **options: Any) -> Trainer:
    trainer = tiny.trainer(folder, monitor)
    kd(trainer, epochs, KDOptions(**{"teacher": "wide", **options}))
    return trainer


def told(trainer: Trainer) -> list[tuple[str, str, str, int]]:
    return [
        (phase.name, phase.kind, spec.name, phase.epochs)
        for phase in trainer.phases
        for spec in phase.specs.values()
    ]


def test_fit_extract_fit(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    assert told(taught(tmp_path, monitor=recorder, teacher_epochs=2)) == [
        ("teacher", "fit", "wide", 2),
        ("knowledge", "extract", "wide", 1),
        ("kd", "fit", "tiny", 4),
    ]
    terms = [set(row.networks[row.phase].terms) for row in recorder.rows]
    assert terms == [{"ce"}] * 2 + [{"ce", "kl"}] * 4


def test_a_teacher_trains_as_long_as_the_student_by_default(tmp_path: Path) -> None:
    assert taught(tmp_path).phases[0].epochs == 4


def test_the_teacher_runs_a_complete_schedule(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    taught(tmp_path, monitor=recorder)
    teacher_rows = [row for row in recorder.rows if row.phase == "teacher"]
    assert [row.lr for row in teacher_rows] == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_the_knowledge_is_the_teachers(tmp_path: Path) -> None:
    trainer = taught(tmp_path)
    teacher = trainer.fitted("teacher").network.eval()
    with torch.no_grad():
        logits = [teacher(x).logits for x in tiny.training_set().images.in_order(26)]
    (table,) = tmp_path.glob("knowledge-*.npy")
    assert np.allclose(np.load(table), torch.cat(logits).numpy(), atol=2e-3)


def test_the_lectures_form(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    taught(tmp_path, monitor=recorder, form="lecture", alpha=0.9, temperature=4.0)
    assert set(recorder.rows[-1].networks["kd"].terms) == {"weighted_ce", "soft_ce"}


def test_settings_lead_to_different_students(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"temperature": 1.0},
        {"form": "lecture"},
        {"form": "lecture", "alpha": 0.5},
        {"view": "clean+flip"},
        {"teacher": "staged"},
        {"teacher_epochs": 1},
    ]
    students = []
    for i, options in enumerate(settings):
        trainer = tiny.trainer(tmp_path / str(i))
        students.append(
            tiny.weights(kd(trainer, 2, KDOptions(**{"teacher": "wide", **options}))["kd"])
        )
    for i, one in enumerate(students):
        assert not any(tiny.same(one, other) for other in students[:i])


def test_a_finished_run_teaches(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", name="market1501", content=CONTENT)
    kd(trainer, 4, KDOptions(teacher=str(finished)))
    assert told(trainer) == [
        ("knowledge", "extract", "resnet18", 1),
        ("kd", "fit", "tiny", 4),
    ]


def test_cost_of_a_teacher_trained_in_the_run_by_hand(tmp_path: Path) -> None:
    """Teacher: 2 epochs and one extraction of its own macs; student: 4 epochs of its own."""
    phases = taught(tmp_path, teacher_epochs=2).phases
    wide, narrow = 16 * 8 * 12 * 27 + 12 * 3, 16 * 8 * 6 * 27 + 6 * 3
    forward = sum(phase.forward_of_images for phase in phases) / 1e16
    assert forward == pytest.approx((wide * (2 + 1) + narrow * 4) * 26 / 1e16, rel=1e-12)
    teacher = trcost(wide, 2, 26, extraction_passes=1)
    assert trcost(narrow, 4, 26, teachers=[teacher]) == pytest.approx(forward, rel=1e-12)
    # A step: forward, the weights' gradients, and the classifier's input's; 3 steps an epoch.
    steps = [phase.step_work for phase in phases if phase.kind == "fit"]
    assert [(work.forward, work.backward) for work in steps] == [
        (8 * wide, 8 * (wide + 12 * 3)),
        (8 * narrow, 8 * (narrow + 6 * 3)),
    ]
    assert phases[2].work.total == 4 * 3 * steps[1].total


def test_a_teacher_of_another_data_set_is_refused(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(UserError, match=r"teacher-run: .* trained on market1501, .*cifar100"):
        kd(tiny.planner(name="cifar100"), 2, KDOptions(teacher=str(finished)))


def test_a_teacher_of_another_input_size_is_refused(tmp_path: Path, finished: Path) -> None:
    network = build(NetworkSpec("resnet18", tiny.CLASSES, (224, 224)), seed=1)
    made = read_record(finished)
    save_network(RunFolder(finished).weights(made.network), network, origin(made))
    student = tiny.planner(name="market1501", content=CONTENT)
    with pytest.raises(UserError, match=r"teacher-run: .* 224 x 224, the student's are 16 x 8"):
        kd(student, 2, KDOptions(teacher=str(finished)))


def test_stopped_anywhere_it_goes_on(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    class Stopper(tiny.Recorder):
        def __init__(self, at: str) -> None:
            super().__init__()
            self.at = at

        def happened(self, event: str) -> None:
            if event == self.at:
                raise StopError

    options = KDOptions(teacher="wide")
    whole = tiny.weights(kd(tiny.trainer(tmp_path / "whole"), 2, options)["kd"])
    for at in ("epoch:teacher:1", "step:knowledge", "epoch:kd:1", "open:kd:0"):
        folder = tmp_path / at.replace(":", "-")
        with pytest.raises(StopError):
            kd(tiny.trainer(folder, Stopper(at)), 2, options)
        assert tiny.same(whole, tiny.weights(kd(tiny.trainer(folder), 2, options)["kd"]))


def test_options_of_the_configuration() -> None:
    def config(**method: Any) -> Any:
        return resolve({"method": {"name": "kd", **method}}, OPTIONS).method

    assert Path(config(teacher="runs/a").teacher) == Path("runs/a").resolve()
    assert config(teacher="torchvision:resnet34").teacher == "torchvision:resnet34"
    for wrong, message in (
        ({}, r"method\.teacher: Field required"),
        ({"teacher": "runs/a", "teacher_epochs": 3}, "teacher_epochs"),
        ({"teacher": "resnet50", "alpha": 2}, r"method\.alpha"),
        ({"teacher": "resnet50", "form": "hinton"}, r"method\.form"),
    ):
        with pytest.raises(UserError, match=message):
            config(**wrong)


def test_an_unknown_teacher_is_told_at_once() -> None:
    with pytest.raises(UserError, match=r"method\.teacher: no such network 'resnet111'") as caught:
        experiment({"method": {"name": "kd", "teacher": "resnet111"}})
    assert caught.value.hint == "did you mean 'resnet110'?"
    experiment({"method": {"name": "kd", "teacher": "timm:resnet111"}})  # timm will tell
    experiment({"method": {"name": "kd", "teacher": "./resnet111"}})


def test_several_vanilla_networks_share_the_epochs(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    options = VanillaOptions(models=2)
    models = vanilla(tiny.trainer(tmp_path, recorder), 5, options)
    assert tuple(models) == ("vanilla", "vanilla-2")
    assert [row.phase for row in recorder.rows] == ["vanilla"] * 2 + ["vanilla-2"] * 2
    one, two = (tiny.weights(model) for model in models.values())
    assert not tiny.same(one, two)
    alone = vanilla(tiny.trainer(tmp_path / "alone"), 2, VanillaOptions())
    assert tuple(alone) == ("vanilla",)
    assert tiny.same(one, tiny.weights(alone["vanilla"]))


def test_each_vanilla_network_needs_an_epoch() -> None:
    tree = {"method": {"name": "vanilla", "models": 3}, "train": {"epochs": 2}}
    with pytest.raises(UserError, match="vanilla needs at least 3"):
        experiment(tree)


def test_the_program_is_short() -> None:
    module = inspect.getmodule(kd)
    assert module is not None
    assert len(inspect.getsource(module).splitlines()) < 120


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ({"name": "kd", "teacher": "resnet110"}, ["resnet110"]),
        ({"name": "kd", "teacher": "resnet50"}, []),
        ({"name": "dml", "networks": ["resnet18", "resnet50", "resnet18"]}, ["resnet18"]),
        ({"name": "srdl"}, []),
    ],
)
def test_networks_that_do_not_begin_with_the_given_weights_are_told(
    method: dict[str, Any], told: list[str]
) -> None:
    for init in ("random", "imagenet"):
        config = experiment({"model": {"name": "resnet50", "init": init}, "method": method})
        lines = list(told_of_others(rehearse(config).phases, config.model))
        wanted = told if init == "imagenet" else []
        whose = "begins with random weights: those given are resnet50's"
        assert lines == [f"{name} {whose}" for name in wanted]
