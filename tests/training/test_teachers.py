"""Other networks than the run's own: by name, from a phase, from a finished run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from reid_srdl.analysis.cost import multiply_accumulates
from reid_srdl.errors import UserError
from reid_srdl.methods.srdl import Referenced
from reid_srdl.models.build import build
from reid_srdl.models.origin import Origin
from reid_srdl.models.spec import NetworkSpec
from reid_srdl.models.tensor_files import write_tensors
from reid_srdl.models.weights import save_network
from reid_srdl.records.content import ContentFacts
from reid_srdl.records.folder import RunFolder
from reid_srdl.records.run import RunRecord
from reid_srdl.records.store import write_record
from reid_srdl.training.teacher import Student, read_teacher
from tests.records.factory import DATASET, record
from tests.training import tiny

CONTENT = "a" * 32


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
    run = tmp_path / "teacher-run"
    content = ContentFacts(train=CONTENT, test="b" * 32, by="bytes", classes="c" * 32)
    made = record(model="resnet18", dataset=DATASET.model_copy(update={"content": content}))
    write_record(run, made)
    network = build(NetworkSpec("resnet18", tiny.CLASSES), seed=1)
    save_network(RunFolder(run).weights(made.network), network, origin(made))
    return run


def origin(made: RunRecord, classes: tuple[str, ...] = ("0", "1", "2")) -> Origin:
    return Origin(made.name, made.network, made.experiment, made.seed, classes, classes)


def student(**changes: Any) -> Student:
    known = Student("market1501", ("0", "1", "2"), tiny.SIZE, CONTENT)
    return dataclasses.replace(known, **changes)


def test_03_a_teacher_of_the_same_people_teaches(finished: Path) -> None:
    assert read_teacher(finished, student()).spec.name == "resnet18"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": "f" * 32}, ("other images", "same number")),
        ({"classes": ("0", "1", "9")}, ("alone knows '2'", "alone knows '9'")),
        ({"classes": ("0", "1")}, ("alone knows '2'",)),
        ({"classes": ("1", "0", "2")}, ("another order",)),
        ({"dataset": "msmt17"}, ("market1501", "msmt17")),
    ],
)
def test_03_a_teacher_of_others_is_refused(
    finished: Path, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        read_teacher(finished, student(**changes))
    for word in (str(finished), *words):
        assert word in str(caught.value)


def test_fault_07_another_run_s_weights_do_not_teach(finished: Path) -> None:
    other = record(model="resnet18", seed=5)
    network = build(NetworkSpec("resnet18", tiny.CLASSES), seed=1)
    save_network(RunFolder(finished).weights(other.network), network, origin(other))
    with pytest.raises(UserError, match=r"the weights of another run.*seed 5.*seed 0"):
        read_teacher(finished, student())


def test_a_finished_run_teaches_and_its_cost_is_counted(tmp_path: Path, finished: Path) -> None:
    trainer = tiny.trainer(tmp_path / "run", name="market1501", content=CONTENT)
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
