import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_srdl.training.schedule import StepDecay


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
