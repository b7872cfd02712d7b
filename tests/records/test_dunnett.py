"""Dunnett's test against scipy's, the distribution's definition, and Dunnett's published tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from reid_srdl.records import dunnett
from reid_srdl.records.dunnett import dunnett_p


def drawn(sizes: Sequence[int], spread: float = 1.0) -> list[list[float]]:
    """Returns a control and groups, each a little larger than the one before."""
    draw = np.random.default_rng(5)
    return [draw.normal(0.3 * i, spread, size).tolist() for i, size in enumerate(sizes)]


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (6, 3, 8, 4), (3, 12, 12), (20, 4, 4)])
def test_it_is_scipys_within_its_error(sizes: Sequence[int]) -> None:
    control, *samples = drawn(sizes)
    theirs = stats.dunnett(*samples, control=control, rng=np.random.default_rng(0)).pvalue
    assert dunnett_p(samples, control) == pytest.approx(list(theirs), abs=5e-4)


def test_one_group_is_students_t_test() -> None:
    control, sample = drawn((5, 7))
    assert dunnett_p([sample], control) == pytest.approx([stats.ttest_ind(sample, control).pvalue])


# Dunnett 1964, New Tables for Multiple Comparisons with a Control, two-sided, alpha = 0.05.
@pytest.mark.parametrize(
    ("groups", "each", "critical"), [(2, 5, 2.50), (3, 6, 2.54), (4, 5, 2.65), (9, 3, 2.95)]
)
def test_its_critical_values_are_those_of_the_tables(
    groups: int, each: int, critical: float
) -> None:
    df = (groups + 1) * (each - 1)
    for t, above in ((critical - 0.006, True), (critical + 0.006, False)):
        (within,) = dunnett._all_within(
            np.array([t]), np.array([np.sqrt(0.5)]), np.array([groups]), df
        )
        assert (1 - within > 0.05) == above


def test_more_points_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [drawn(sizes, 3.0) for sizes in ((5,) * 16, (2, 20, 20), (50, 5, 5), (2, 2))]
    before = [dunnett_p(samples, control) for control, *samples in cases]
    monkeypatch.setattr(dunnett, "_Z_POINTS", 700)
    monkeypatch.setattr(dunnett, "_S_POINTS", 300)
    for (control, *samples), told in zip(cases, before, strict=True):
        assert dunnett_p(samples, control) == pytest.approx(told, abs=1e-9)


def test_a_whole_family_takes_a_moment_and_is_the_same_each_time() -> None:
    control, *samples = drawn((5,) * 26)
    began = time.process_time()
    told = dunnett_p(samples, control)
    assert time.process_time() - began < 5  # scipy's takes 20
    assert dunnett_p(samples, control) == told
    assert all(p is not None and 0 <= p <= 1 for p in told)
