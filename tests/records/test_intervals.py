"""Intervals and tests over seeds, against scipy and Student's own table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reid_srdl.records.intervals import estimate, paired_p

OURS = [0.7163, 0.7201, 0.7144, 0.7180, 0.7155]
BASELINE = [0.6902, 0.6950, 0.6911, 0.6899, 0.6920]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_is_scipys(confidence: float) -> None:
    found = estimate(OURS, confidence)
    low, high = stats.t.interval(
        confidence, df=len(OURS) - 1, loc=np.mean(OURS), scale=stats.sem(OURS)
    )
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-14), pytest.approx(high))
    assert found.mean == pytest.approx(float(np.mean(OURS)))
    assert found.sd == pytest.approx(float(np.std(OURS, ddof=1)))


def test_two_values_by_hand() -> None:
    """t(1) at 97.5 % is 12.706; values 0.5 -+ 0.1 have s / sqrt(2) = 0.1."""
    found = estimate([0.4, 0.6])
    assert found.low == pytest.approx(0.5 - 12.7062 * 0.1, abs=1e-5)
    assert found.high == pytest.approx(0.5 + 12.7062 * 0.1, abs=1e-5)


def test_one_value_claims_no_interval() -> None:
    found = estimate([0.7])
    assert (found.mean, found.sd, found.n, found.low, found.high) == (0.7, None, 1, None, None)
    assert paired_p([0.7], [0.6]) is None
    with pytest.raises(ValueError, match="no values"):
        estimate([])


@pytest.mark.parametrize("value", [0.9871, 1.0])
def test_equal_values_claim_no_interval(value: float) -> None:
    """However floats round: five times 0.9871 have the deviation 1e-16."""
    found = estimate([value] * 5)
    assert (found.mean, found.sd) == pytest.approx((value, 0.0))
    assert (found.low, found.high) == (None, None)


def test_the_paired_test_is_the_one_sample_test_of_the_differences() -> None:
    found = paired_p(OURS, BASELINE)
    differences = np.subtract(OURS, BASELINE)
    assert found == pytest.approx(float(stats.ttest_1samp(differences, 0.0).pvalue))
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(len(OURS)))
    assert found == pytest.approx(2 * float(stats.t.sf(abs(t), len(OURS) - 1)))


def test_the_interval_of_the_differences_leaves_out_zero_where_p_is_small() -> None:
    """Both rest on one t: the 1 - p interval touches 0."""
    p = paired_p(OURS, BASELINE)
    assert p is not None
    found = estimate([a - b for a, b in zip(OURS, BASELINE, strict=True)], 1 - p)
    assert found.low == pytest.approx(0.0, abs=1e-12)


def test_equal_differences_are_not_tested() -> None:
    assert paired_p([0.3, 0.2, 0.6], [0.2, 0.1, 0.5]) is None
    with pytest.raises(ValueError, match="zip"):
        paired_p([0.3, 0.2], [0.2])
