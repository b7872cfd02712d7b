"""Other networks than the run's own: by name, from a phase, from a finished run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_srdl.analysis.cost import multiply_accumulates
from reid_srdl.errors import UserError
from reid_srdl.methods.srdl import Referenced
from reid_srdl.models.weights import save_network, write_tensors
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.store import write_record
from tests.records.factory import record
from tests.training import tiny


def test_a_teacher_in_the_run_counts_its_own_multiply_accumulates(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    teacher = trainer.trained("wide", 2)
    loss = Referenced(trainer.supervised, trainer.extract(teacher), 3.0)
    student = trainer.fit(trainer.new_model(), epochs=1, loss=loss, name="kd")
    # A 3 x 3 convolution of 3 channels on 16 x 8 pixels, and the classifier of 3 classes.
    wide, narrow = 16 * 8 * 12 * 27 + 12 * 3, 16 * 8 * 6 * 27 + 6 * 3
    told = [
        (name, spec.name, phase.step_work.forward)
        for phase in trainer.phases
        for name, spec in phase.specs.items()
    ]
    assert told == [
        ("teacher", "wide", 8 * wide),
        ("knowledge", "wide", wide),
        ("kd", "tiny", 8 * narrow),
    ]
    assert multiply_accumulates(student.network, 16, 8) == narrow


def test_a_network_of_another_name_is_another_phase(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    assert trainer.new_model().key != trainer.new_model(name="wide").key


def test_a_finished_phase_gives_its_network_back(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    model = trainer.fit(trainer.new_model(), epochs=1, loss=trainer.supervised, name="first")
    back = trainer.fitted("first")
    assert tiny.same(tiny.weights(back), tiny.weights(model))
    assert back.key == model.key
    with pytest.raises(UserError, match="no finished phase 'second'"):
        trainer.fitted("second")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished run of ResNet-18 with as many classes as the tiny trainer."""
    from reid_srdl.models.build import build
    from reid_srdl.models.spec import NetworkSpec

    run = tmp_path / "teacher-run"
    made = record(model="resnet18")
    write_record(run, made)
    network = build(NetworkSpec("resnet18", tiny.CLASSES), seed=1)
    save_network(RunFolder(run).weights(made.network), network)
    return run


def test_a_finished_run_teaches_and_its_cost_is_counted(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", name="market1501")
    knowledge = trainer.extract(trainer.trained(str(finished)))
    assert tiny.table(trainer, knowledge).shape == (26, tiny.CLASSES)
    (taught,) = trainer.teachers.values()
    assert (taught.trcost, taught.work) == (0.4146, record().true_work)
    assert trainer.phases[0].specs["knowledge"].name == "resnet18"


def test_a_teacher_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-run"):
        tiny.trainer(tmp_path / "run").trained(str(tmp_path / "no-run"))


def test_a_weights_file_without_a_spec_cannot_teach(tmp_path: Path, finished: Path) -> None:
    weights = RunFolder(finished).weights(record().network)
    write_tensors(weights, {"x": torch.zeros(1)}, {})
    with pytest.raises(UserError, match="does not say which network"):
        tiny.planner(name="market1501").trained(str(finished))
