"""Medians and ratios."""

from __future__ import annotations

import pytest

from benchmarks.harness.outcomes import Outcome, summarize


def outcome(contender: str, rate: float, *, verified: bool = True) -> Outcome:
    return Outcome("a", contender, "1.0", 1, 1000, 1.0, rate, 0.5, verified)


def test_medians_and_the_ratio_to_penstock() -> None:
    rates = {"penstock": (300.0, 100.0, 200.0), "other": (50.0, 100.0)}
    outcomes = [outcome(name, rate) for name, of_rounds in rates.items() for rate in of_rounds]
    penstock, other = summarize(outcomes)
    assert (penstock.median, penstock.lowest, penstock.highest, penstock.ratio) == (
        200.0,
        100.0,
        300.0,
        1.0,
    )
    assert other.ratio == pytest.approx(200.0 / 75.0)
    assert other.cpu_seconds_per_million == pytest.approx(500.0)


def test_unverified_rounds_do_not_count() -> None:
    outcomes = [outcome("x", 10.0), outcome("x", 99.0, verified=False)]
    (only,) = summarize(outcomes)
    assert (only.rounds, only.median, only.ratio) == (1, 10.0, None)
    assert summarize([outcome("x", 99.0, verified=False)]) == []
