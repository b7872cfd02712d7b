"""Where identities are few, the interval's true coverage is stated."""

from __future__ import annotations

import numpy as np
import pytest

from reid_srdl.records.comparison import Comparison, Kind, Settings, differences
from reid_srdl.records.coverage import COVERAGE, ENOUGH, coverage, coverage_note
from reid_srdl.report.comparison import comparison_table


def notes(identities: int, by: str = "identity") -> str:
    rng = np.random.default_rng(identities)
    a, b = rng.random((2, 1, 2 * identities))
    settings = Settings(resamples=99, by=by)
    units = np.arange(2 * identities) // 2 if by == "identity" else np.arange(2 * identities)
    scores = differences(a, b, units, ("mAP",), settings)
    kind = Kind(queries=2 * identities, units=len(np.unique(units)), scores=scores)
    found = Comparison(
        a="a",
        b="b",
        settings=settings,
        protocol=None,
        single_query=kind,
        multi_query=None,
        warnings=(),
    )
    return "\n".join(comparison_table(found).notes)


@pytest.mark.parametrize("identities", [2, 10, 20, 33, 49, 50, 750])
def test_the_comparison_states_it_below_fifty(identities: int) -> None:
    told = coverage_note(identities)
    assert (told is None) == (identities >= ENOUGH)
    if told is not None:
        assert f"{100 * coverage(identities):.0f} %" in told
        assert told in notes(identities)
        assert told not in notes(identities, by="query")
    else:
        assert "few identities" not in notes(identities)


def test_coverage_grows_with_identities_and_stays_below_what_is_named() -> None:
    values = [coverage(number) for number in range(2, 200)]
    assert values == sorted(values)
    assert max(values) < 0.95
    assert [coverage(number) for number in COVERAGE] == list(COVERAGE.values())


@pytest.mark.parametrize("identities", [10, 20])
def test_a_few_draws_agree_with_the_table(identities: int) -> None:
    """Exponential differences, as skewed as those of AP: no draw of the table's own."""
    held, trials = 0, 300
    for trial in range(trials):
        rng = np.random.default_rng([identities, trial])
        b = rng.exponential(1, (1, identities)) - 1
        settings = Settings(resamples=499, seed=trial)
        (found,) = differences(np.zeros_like(b), b, np.arange(identities), ("mAP",), settings)
        held += found.low <= 0 <= found.high
    assert held / trials == pytest.approx(coverage(identities), abs=0.07)
