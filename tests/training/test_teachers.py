"""Other networks than the run's own: by name, from a phase, from a finished run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_srdl.analysis.cost import multiply_accumulates
from reid_srdl.errors import UserError
from reid_srdl.models.weights import save_network
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import write_record
from reid_srdl.training.losses import cross_entropy, referenced
from tests.records.factory import record
from tests.training import tiny


def test_a_teacher_in_the_run_counts_its_own_multiply_accumulates(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    teacher = trainer.new_model("teacher", network="teacher")
    teacher = trainer.fit(teacher, epochs=2, loss=cross_entropy, name="teacher")
    knowledge = trainer.extract(teacher)
    student = trainer.new_model()
    trainer.fit(student, epochs=1, loss=referenced(knowledge, 3.0), name="kd")
    # A 3 x 3 convolution of 3 channels on 16 x 8 pixels, and the classifier of 3 classes.
    wide, narrow = 16 * 8 * 12 * 27 + 12 * 3, 16 * 8 * 6 * 27 + 6 * 3
    told = [(phase.network, phase.macs) for phase in trainer.phases.opened]
    assert told == [("teacher", wide), ("teacher", wide), ("tiny", narrow)]
    assert multiply_accumulates(student.network, 16, 8) == narrow


def test_a_network_of_another_name_is_another_phase(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    assert trainer.new_model().key != trainer.new_model(network="teacher").key


def test_a_finished_phase_gives_its_network_back(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    model = trainer.fit(trainer.new_model(), epochs=1, loss=cross_entropy, name="first")
    back = trainer.fitted("first").state_dict()
    assert all(torch.equal(back[key], value) for key, value in tiny.weights(model).items())
    with pytest.raises(UserError, match="no finished phase 'second'"):
        trainer.fitted("second")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished run of ResNet-18 with as many classes as the tiny trainer."""
    from reid_srdl.models.build import build_network

    run = tmp_path / "teacher-run"
    made = record(model="resnet18")
    write_record(run, made)
    network = build_network("resnet18", tiny.CLASSES, seed=1)
    save_network(RunFolder(run).weights(next(iter(made.results))), network, "resnet18")
    return run


def test_a_finished_run_teaches_and_its_cost_is_counted(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run")
    teacher = trainer.teacher(finished)
    knowledge = trainer.extract(teacher)
    assert knowledge.logits.shape == (26, tiny.CLASSES)
    assert [taught.trcost for taught in trainer.teachers.values()] == [0.4146]
    assert trainer.phases.opened[0].network == "resnet18"


def test_a_teacher_of_other_classes_is_refused(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", maker=tiny.Maker("tiny", 7))
    with pytest.raises(UserError, match=r"teacher-run: this teacher tells 3 classes apart.* 7"):
        trainer.teacher(finished)


def test_a_teacher_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-run"):
        tiny.trainer(tmp_path / "run").teacher(tmp_path / "no-run")
