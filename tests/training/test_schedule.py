import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.training.optimisation import Optimisation
from reid_srdl.training.schedule import Cosine, Schedule, StepDecay
from reid_srdl.training.step import Step
from tests.training import tiny


def test_srdl_rates_of_200_epochs() -> None:
    """lr for M = 200, epochs counted from 0, as the paper's Fig 3 draws them."""
    decay = StepDecay(0.1)
    stages = [decay.at(epoch, 100) for epoch in range(100)] * 2
    changes = {0: 0.1, 50: 0.01, 75: 0.001, 100: 0.1, 150: 0.01, 175: 0.001}
    expected = 0.0
    for epoch, rate in enumerate(stages):
        expected = changes.get(epoch, expected)
        assert rate == pytest.approx(expected)


def test_odd_stages_decay_inside_an_epoch() -> None:
    """75 epochs of 4 steps: milestones at epochs 37.5 and 56.25."""
    decay = StepDecay(0.1)
    rates = [decay.at(step, 300) for step in range(300)]
    assert [step for step in range(1, 300) if rates[step] != rates[step - 1]] == [150, 225]


@given(st.integers(1, 5000))
def test_rates_never_rise_and_end_at_the_last(total: int) -> None:
    decay = StepDecay(1.0)
    rates = [decay.at(step, total) for step in range(total)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    if total >= 4:
        assert rates[-1] == pytest.approx(0.01)


@given(
    total=st.integers(1, 3000),
    warmup=st.floats(0.001, 0.4),
    lr=st.floats(1e-4, 10),
)
def test_a_warmup_is_linear_from_a_tenth(total: int, warmup: float, lr: float) -> None:
    with_it, without = StepDecay(lr, warmup=warmup), StepDecay(lr)
    for step in range(0, total, max(total // 50, 1)):
        share = step / (warmup * total)
        expected = lr * (0.1 + 0.9 * share) if share < 1 else without.at(step, total)
        assert with_it.at(step, total) == pytest.approx(expected)
    assert with_it.at(0, total) == pytest.approx(lr / 10)


def test_without_a_warmup_rates_are_what_they_were_to_the_bit() -> None:
    for total in (1, 7, 100, 391):
        for step in range(total):
            passed = (step >= 0.5 * total - 1e-9) + (step >= 0.75 * total - 1e-9)
            assert StepDecay(0.1).at(step, total) == 0.1 * 0.1**passed


@given(total=st.integers(1, 3000), warmup=st.floats(0, 0.9), lr=st.floats(1e-4, 10))
def test_a_cosine_is_its_closed_form(total: int, warmup: float, lr: float) -> None:
    cosine = Cosine(lr, warmup)
    for step in range(0, total, max(total // 50, 1)):
        rising = step / (warmup * total) if step < warmup * total else 1.0
        expected = lr * 0.5 * (1 + math.cos(math.pi * step / total)) * (0.1 + 0.9 * rising)
        assert cosine.at(step, total) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert Cosine(lr).at(0, total) == lr
    assert Cosine(lr).at(total, total) == pytest.approx(0, abs=1e-15)


SCHEDULES: list[Schedule] = [
    StepDecay(0.1, (0.4, 0.7), 0.1, warmup=0.2),
    Cosine(0.1),
    Cosine(0.1, 0.25),
]


@pytest.mark.parametrize("epochs", [4, 5])
@pytest.mark.parametrize("decay", SCHEDULES, ids=repr)
def test_each_stage_of_srdl_runs_the_whole_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decay: Schedule, epochs: int
) -> None:
    """The rates of all steps: 3 an epoch, floor(M/2) epochs and the rest."""
    rates = list[float]()
    step = Step.__call__

    def told(own: Step, batch: Any, lr: float) -> Any:
        rates.extend([lr] * (type(own) is Step))
        return step(own, batch, lr)

    monkeypatch.setattr(Step, "__call__", told)
    optimisation = Optimisation(decay, 0.9, True, 2e-4, 8)
    srdl(tiny.trainer(tmp_path, optimisation=optimisation), epochs, SRDLOptions())
    stages = (3 * (epochs // 2), 3 * (epochs - epochs // 2))
    assert rates == [decay.at(at, stage) for stage in stages for at in range(stage)]


def test_each_stage_of_srdl_warms_up(tmp_path: Path) -> None:
    decay = StepDecay(0.1, (0.75,), 0.1, warmup=0.5)
    recorder = tiny.Recorder()
    trainer = tiny.trainer(tmp_path, recorder, optimisation=Optimisation(decay, 0.9, True, 2e-4, 8))
    srdl(trainer, 4, SRDLOptions())
    told = [(row.phase, row.lr) for row in recorder.rows]
    assert told == [  # 3 steps an epoch, 6 a stage: 3 of them rise, the last of each epoch is told
        ("first", pytest.approx(0.07)),
        ("first", pytest.approx(0.01)),
        ("second", pytest.approx(0.07)),
        ("second", pytest.approx(0.01)),
    ]
