"""Equal budgets: what each method's run costs, that it is what was planned, and that it resumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reid_srdl.config import AnyConfig
from reid_srdl.errors import UserError
from reid_srdl.jobs import train as jobs
from reid_srdl.jobs.budget import budgeted
from reid_srdl.jobs.dry_run import plan
from reid_srdl.jobs.experiment import experiment
from reid_srdl.jobs.planning import plan_run
from reid_srdl.jobs.rehearsal import rehearse, run_program, setting_of
from reid_srdl.methods import METHODS
from reid_srdl.records.studies import find_study, plan_study, read_study
from reid_srdl.tasks import open_task
from reid_srdl.training.phases import Phase
from reid_srdl.training.plan import Planner
from reid_srdl.training.precision import choose
from reid_srdl.training.setting import DataFacts
from tests.class_set import write_class_folder
from tests.jobs.test_plan import differences
from tests.methods.test_family import OPTIONS, Broken, StopError
from tests.training import tiny, tiny_nets

tiny_nets.add_rows()
EPOCHS = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a data set of 360 images, and a cache of its own."""
    place = tmp_path_factory.mktemp("budget")
    write_class_folder(place / "set", train=60, test=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_SRDL_CACHE", str(place / "cache"))
        yield place


def config(place: Path, method: str, budget: str = "equal", **train: Any) -> AnyConfig:
    where = {"name": "class-folder", "dir": place / "set", "height": 32, "width": 16}
    tree = {
        "data": where,
        "model": {"name": "staged"},
        "method": {"name": method, **OPTIONS.get(method, {})},
        "optim": {"batch_size": 4, "lr": 0.01},
        "train": {"epochs": EPOCHS, "device": "cpu", "precision": "fp32", "threads": 1}
        | {"budget": budget, **train},
        "run": {"dir": place / "runs"},
    }
    return experiment(tree)


def phases(config: AnyConfig) -> tuple[Phase, ...]:
    compute = choose("cpu", "fp32", 1)
    task = open_task(config, compute, lambda *_: None)
    return plan_run(config, task, None).phases


def work(planned: tuple[Phase, ...]) -> int:
    return sum(phase.work.total for phase in planned)


@pytest.mark.parametrize("method", METHODS)
def test_all_that_a_run_trains_costs_what_vanilla_does(place: Path, method: str) -> None:
    planned = phases(config(place, method))
    vanilla = work(phases(config(place, "vanilla", "own")))
    assert 0.99 <= work(planned) / vanilla <= 1
    whole = phases(config(place, method, "own"))
    assert [phase.epochs for phase in planned] == [phase.epochs for phase in whole]
    same_work = work(whole) == vanilla
    for one, other in zip(planned, whole, strict=True):
        assert (one.key == other.key) == same_work or one.kind == "extract"


def test_a_finished_teacher_does_not_count(place: Path, tmp_path: Path) -> None:
    taught = config(place, "vanilla", "own")
    taught = taught.model_copy(update={"run": taught.run.model_copy(update={"dir": tmp_path})})
    record = jobs.train(taught)
    chosen = config(place, "kd")
    method = chosen.method.model_copy(update={"teacher": str(tmp_path / record.name)})
    knowledge, student = phases(chosen.model_copy(update={"method": method}))
    assert knowledge.kind == "extract"
    assert student.share > 0.85  # one pass of extraction of four epochs
    assert 0.99 <= work((knowledge, student)) / record.work.total <= 1


def test_teachers_of_the_family_make_as_many_steps_as_their_students() -> None:
    """KD's and DKD's are one phase: both methods cost the same."""
    cells = plan_study(read_study(find_study("family_mnist")), experiment, rehearse).cells
    digits = tuple(map(str, range(10)))
    teachers = {}
    for method in ("kd", "dkd", "at"):
        asked = cells[method].config
        facts = DataFacts("mnist", "", digits, (1000,) * 10, (28, 28), 0, False, 0.0)
        setting = setting_of(asked, facts)
        whole, planner = Planner(setting), Planner(setting)
        run_program(asked.method, whole, asked.train.epochs)
        planner.setting = budgeted(method, asked.train.epochs, setting, whole.phases)
        run_program(asked.method, planner, asked.train.epochs)
        teacher, student = planner.phases[0], planner.phases[-1]
        assert (teacher.name, teacher.all_steps) == ("teacher", student.all_steps)
        assert teacher.specs["teacher"] == student.specs[method]
        teachers[method] = teacher.key
    assert teachers["kd"] == teachers["dkd"] != teachers["at"]


def test_steps_are_spread_over_epochs_and_add_up() -> None:
    phase = Phase("a", "", None, 0, 7, 4, share=0.6)  # type: ignore[arg-type]
    counts = [phase.steps_of(epoch) for epoch in range(10)]
    assert sum(counts) == phase.steps_before(10) == 42
    assert set(counts) == {4, 5}
    whole = Phase("a", "", None, 0, 7, 4)  # type: ignore[arg-type]
    assert [whole.steps_of(epoch) for epoch in range(3)] == [7, 7, 7]


@pytest.mark.parametrize("method", ["srdl", "dml", "kd"])
def test_the_record_is_the_plan(place: Path, tmp_path: Path, method: str) -> None:
    chosen = config(place, method)
    chosen = chosen.model_copy(update={"run": chosen.run.model_copy(update={"dir": tmp_path})})
    planned = plan(chosen)
    record = jobs.train(chosen)
    left = list(differences(planned, record.model_dump(mode="json")))
    assert left == [".networks: only planned"]
    assert 0 < record.cost.share < 1
    assert record.config["train"]["budget"] == "equal"  # type: ignore[index, call-overload]


def test_a_stopped_budgeted_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    ends = []
    for stop in (None, 2, 5):
        folder = tmp_path / f"{stop}"
        for most in dict.fromkeys((stop, None)):
            images = tiny.training_set(24)
            Broken(images, most)
            trainer = tiny.trainer(
                folder, network="staged", training_set=images, share=0.7, checkpoint_seconds=0.0
            )
            options = METHODS["srdl"].options(name="srdl")
            try:
                ends.append(METHODS["srdl"].program(trainer, 4, options)["srdl"])
            except StopError:
                continue
    assert len(ends) == 3
    assert all(tiny.same(tiny.weights(ends[0]), tiny.weights(end)) for end in ends[1:])


def test_a_budget_that_cannot_be_met_is_refused_before_training(place: Path) -> None:
    chosen = config(place, "dml")
    coarse = chosen.model_copy(
        update={"optim": chosen.optim.model_copy(update={"batch_size": 180})}
    )
    with pytest.raises(UserError, match=r"train\.budget: dml costs") as caught:
        phases(coarse)
    assert "optim.batch_size" in caught.value.hint


def test_one_epoch_is_shared_by_both_stages(place: Path, tmp_path: Path) -> None:
    chosen = config(place, "srdl", "own", epochs=1)
    chosen = chosen.model_copy(update={"run": chosen.run.model_copy(update={"dir": tmp_path})})
    first, _, second = phases(chosen)
    assert (first.all_steps, second.all_steps) == (45, 45)  # of 90 steps an epoch
    assert (first.epochs, second.epochs) == (0.5, 0.5)
    record = jobs.train(chosen)
    assert record.cost.epochs == 1
    vanilla = work(phases(config(place, "vanilla", "own", epochs=1)))
    assert sum(one.work.total for one in record.phases if one.kind == "fit") == vanilla
    coarse = chosen.model_copy(
        update={"optim": chosen.optim.model_copy(update={"batch_size": 360})}
    )
    with pytest.raises(UserError, match=r"'first': 0\.5 of the 1 steps of an epoch is none"):
        phases(coarse)
