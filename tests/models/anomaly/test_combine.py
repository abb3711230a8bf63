"""Rules that combine surprises: their values, their limits, and members that do not score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import combine_pvalues

from models.anomaly.combine import RULES, combined


def test_values_of_the_rules() -> None:
    surprise = np.array([[1.0], [3.0]])
    raws = {rule: combined(rule, surprise)[0][0] for rule in RULES}
    assert raws["mean"] == 2.0
    assert raws["max"] == 3.0
    assert raws["harmonic"] == pytest.approx(-np.log10(2 / (10 + 1000)))
    expected = combine_pvalues([0.1, 0.001], method="fisher").pvalue
    assert raws["fisher"] == pytest.approx(-np.log10(expected))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_members_that_do_not_score_do_not_count(rule: str) -> None:
    both, one = np.array([[2.0, -1.0], [-1.0, -1.0]]), np.array([[2.0]])
    raw, bound = combined(rule, both)
    assert raw[0] == pytest.approx(combined(rule, one)[0][0])
    assert raw[0] == pytest.approx(2.0)
    assert bound[0] == pytest.approx(2.0)
    assert np.isnan(raw[1])


@pytest.mark.parametrize("rule", sorted(RULES))
def test_more_surprise_is_never_less(rule: str) -> None:
    rng = np.random.default_rng(1)
    low = rng.exponential(2, (4, 500))
    raw, _ = combined(rule, low)
    higher, _ = combined(rule, low + rng.exponential(1, (4, 500)))
    assert (higher >= raw).all()


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_largest_surprises_stay_finite(rule: str) -> None:
    raw, bound = combined(rule, np.full((16, 1), 308.0))
    assert np.isfinite(raw).all()
    assert np.isfinite(bound).all()
    assert raw[0] >= 298
