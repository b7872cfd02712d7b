"""Distillation as its sources write it: whose knowledge, which loss, at which cost."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reid_srdl.analysis.cost import trcost
from reid_srdl.config import resolve
from reid_srdl.errors import UserError
from reid_srdl.jobs.experiment import experiment
from reid_srdl.methods import OPTIONS
from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.vanilla import VanillaOptions, vanilla
from reid_srdl.models.build import build_network
from reid_srdl.models.weights import save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import write_record
from reid_srdl.training.trainer import Trainer
from tests.records.factory import record
from tests.training import tiny


def taught(folder: Path, epochs: int = 4, monitor: Any = None, **options: Any) -> Trainer:
    trainer = tiny.trainer(folder, monitor)
    kd(trainer, epochs, KDOptions(**{"teacher": "teacher", **options}))
    return trainer


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished run of ResNet-18 with as many classes as the tiny trainer."""
    run = tmp_path / "teacher-run"
    made = record(model="resnet18")
    write_record(run, made)
    network = build_network("resnet18", tiny.CLASSES, seed=1)
    save_network(RunFolder(run).weights(next(iter(made.results))), network, "resnet18")
    return run


def test_fit_extract_fit(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    trainer = taught(tmp_path, monitor=recorder, teacher_epochs=2)
    told = [(p.name, p.kind, p.network, p.epochs, p.passes) for p in trainer.phases.opened]
    assert told == [
        ("teacher", "fit", "teacher", 2, 0),
        ("knowledge", "extract", "teacher", 0, 1),
        ("kd", "fit", "tiny", 4, 0),
    ]
    terms = [set(row.terms) for row in recorder.rows]
    assert terms == [{"ce"}] * 2 + [{"ce", "kl"}] * 4


def test_a_teacher_trains_as_long_as_the_student_by_default(tmp_path: Path) -> None:
    assert taught(tmp_path).phases.opened[0].epochs == 4


def test_the_teacher_runs_a_complete_schedule(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    taught(tmp_path, monitor=recorder)
    teacher_rows = [row for row in recorder.rows if row.phase == "teacher"]
    assert [row.lr for row in teacher_rows] == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_the_knowledge_is_the_teachers(tmp_path: Path) -> None:
    trainer = taught(tmp_path)
    teacher = trainer.fitted("teacher").eval()
    with torch.no_grad():
        logits = [teacher(x).logits for x in tiny.training_set().images.in_order(26)]
    (table,) = tmp_path.glob("knowledge-*.npy")
    assert np.allclose(np.load(table), torch.cat(logits).numpy(), atol=2e-3)


def test_the_lectures_form(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    taught(tmp_path, monitor=recorder, form="lecture", alpha=0.9, temperature=4.0)
    assert set(recorder.rows[-1].terms) == {"weighted_ce", "soft_ce"}


def test_settings_lead_to_different_students(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"temperature": 1.0},
        {"form": "lecture"},
        {"form": "lecture", "alpha": 0.5},
        {"view": "clean+flip"},
        {"teacher": "tiny"},
        {"teacher_epochs": 1},
    ]
    students = []
    for i, options in enumerate(settings):
        trainer = tiny.trainer(tmp_path / str(i))
        students.append(
            tiny.weights(kd(trainer, 2, KDOptions(**{"teacher": "teacher", **options}))["kd"])
        )
    for i, one in enumerate(students):
        assert not any(tiny.same(one, other) for other in students[:i])


def test_a_finished_run_teaches(tmp_path: Path, finished: Path) -> None:
    trainer = taught(tmp_path / "run", teacher=str(finished))
    told = [(phase.name, phase.network, phase.passes) for phase in trainer.phases.opened]
    assert told == [("knowledge", "resnet18", 1), ("kd", "tiny", 0)]


def test_cost_of_a_teacher_trained_in_the_run_by_hand(tmp_path: Path) -> None:
    """Teacher: 2 epochs and one extraction of its own macs; student: 4 epochs of its own."""
    phases = taught(tmp_path, teacher_epochs=2).phases.opened
    wide, narrow = 16 * 8 * 12 * 27 + 12 * 3, 16 * 8 * 6 * 27 + 6 * 3
    by_phase = sum(trcost(phase.macs, phase.epochs, 26, phase.passes) for phase in phases)
    assert by_phase == pytest.approx((wide * (2 + 1) + narrow * 4) * 26 / 1e16, rel=1e-12)
    teacher = trcost(wide, 2, 26, extraction_passes=1)
    assert trcost(narrow, 4, 26, teachers=[teacher]) == pytest.approx(by_phase, rel=1e-12)


def test_cost_of_a_finished_teacher_by_hand(tmp_path: Path, finished: Path) -> None:
    """Its record's 0.4146, one extraction by its macs, and the student's own epochs."""
    trainer = taught(tmp_path / "run", teacher=str(finished))
    extraction, student = trainer.phases.opened
    narrow = 16 * 8 * 6 * 27 + 6 * 3
    # ResNet-18 on 16 x 8: the stem on 8 x 4, the stages on 4 x 2, 2 x 1, 1 x 1 and 1 x 1 pixels.
    stem = 8 * 4 * 64 * 3 * 49
    stage1 = 4 * 2 * 4 * 64 * 64 * 9
    stage2 = 2 * 1 * (64 * 128 * 9 + 3 * 128 * 128 * 9 + 64 * 128)
    stage3 = 128 * 256 * 9 + 3 * 256 * 256 * 9 + 128 * 256
    stage4 = 256 * 512 * 9 + 3 * 512 * 512 * 9 + 256 * 512
    resnet18 = stem + stage1 + stage2 + stage3 + stage4 + 512 * 3
    assert (extraction.macs, student.macs) == (resnet18, narrow)
    own = sum(trcost(p.macs, p.epochs, 26, p.passes) for p in trainer.phases.opened)
    whole = own + sum(teacher.trcost for teacher in trainer.teachers.values())
    assert whole == pytest.approx((narrow * 4 + resnet18) * 26 / 1e16 + 0.4146, rel=1e-12)


def test_a_teacher_of_another_data_set_is_refused(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", dataset="cifar100")
    with pytest.raises(UserError, match=r"teacher-run: .* trained on market1501, .*cifar100"):
        kd(trainer, 2, KDOptions(teacher=str(finished)))


def test_a_teacher_of_other_classes_is_refused(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", maker=tiny.Maker("tiny", 7))
    with pytest.raises(UserError, match=r"teacher-run: .* tells 3 classes apart, the student 7"):
        kd(trainer, 2, KDOptions(teacher=str(finished)))


def test_a_teacher_of_another_input_size_is_refused(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_network("resnet18", tiny.CLASSES, seed=1)
    network.input_size = (224, 224)  # as a transformer's is
    monkeypatch.setattr("reid_srdl.training.teacher.load_network", lambda path: network)
    with pytest.raises(UserError, match=r"teacher-run: .* 224 x 224, the student's are 16 x 8"):
        kd(tiny.trainer(tmp_path / "run"), 2, KDOptions(teacher=str(finished)))


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

    options = KDOptions(teacher="teacher")
    whole = tiny.weights(kd(tiny.trainer(tmp_path / "whole"), 2, options)["kd"])
    for at in ("epoch:teacher:1", "step:knowledge", "epoch:kd:1", "open:kd:0"):
        folder = tmp_path / at.replace(":", "-")
        with pytest.raises(StopError):
            kd(tiny.trainer(folder, Stopper(at)), 2, options)
        assert tiny.same(whole, tiny.weights(kd(tiny.trainer(folder), 2, options)["kd"]))


def test_options_of_the_configuration() -> None:
    def config(**method: Any) -> Any:
        return resolve({"method": {"name": "kd", **method}}, OPTIONS).method

    assert config(teacher="resnet50").networks() == ("kd", "teacher")
    run = config(teacher="runs/a")
    assert run.networks() == ("kd",)
    assert run.epochs_in_all(100) == 100
    assert config(teacher="resnet50").epochs_in_all(100) == 200
    assert config(teacher="resnet50", teacher_epochs=30).epochs_in_all(100) == 130
    assert Path(run.placed().teacher) == Path("runs/a").resolve()
    assert config(teacher="torchvision:resnet34").teacher_run is None
    for wrong, told in (
        ({}, r"method\.teacher: Field required"),
        ({"teacher": "runs/a", "teacher_epochs": 3}, "teacher_epochs"),
        ({"teacher": "resnet50", "alpha": 2}, r"method\.alpha"),
        ({"teacher": "resnet50", "form": "hinton"}, r"method\.form"),
    ):
        with pytest.raises(UserError, match=told):
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
    assert tuple(models) == options.networks() == ("vanilla", "vanilla-2")
    assert [row.phase for row in recorder.rows] == ["vanilla"] * 2 + ["vanilla-2"] * 2
    one, two = (tiny.weights(model) for model in models.values())
    assert not tiny.same(one, two)
    alone = vanilla(tiny.trainer(tmp_path / "alone"), 2, VanillaOptions())
    assert tuple(alone) == ("vanilla",)
    assert tiny.same(one, tiny.weights(alone["vanilla"]))


def test_each_vanilla_network_needs_an_epoch() -> None:
    tree = {"method": {"name": "vanilla", "models": 3}, "train": {"epochs": 2}}
    with pytest.raises(UserError, match="vanilla needs at least 3"):
        resolve(tree, OPTIONS)


def test_the_program_is_short() -> None:
    module = inspect.getmodule(kd)
    assert module is not None
    assert len(inspect.getsource(module).splitlines()) < 120
