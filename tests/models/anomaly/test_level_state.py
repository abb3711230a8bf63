"""The state of a channel: what one value changes."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.level_state import NUM_FIELDS, Levels, learn, next_season


def learned(values: list[float]) -> Levels:
    state = Levels(*np.zeros((NUM_FIELDS, 1)))
    for value in values:
        state = learn(state, np.array([value]), np.array([np.nan]), 32, 4.0, 10)
    return state


def test_mean_variance_and_range_are_those_of_the_values() -> None:
    values = [float(x) for x in np.random.default_rng(0).normal(9.0, 2.0, 500)]
    state = learned(values)
    assert state.mean[0] == pytest.approx(np.mean(values), abs=0.1)
    assert state.variance[0] == pytest.approx(np.var(values), rel=0.1)
    assert (state.low[0], state.high[0]) == (min(values), max(values))


def test_one_absurd_value_hardly_moves_the_mean() -> None:
    values = [float(x) for x in np.random.default_rng(0).normal(9.0, 2.0, 500)]
    assert learned([*values, 1e30]).mean[0] == pytest.approx(learned(values).mean[0], abs=0.1)


def test_a_season_begins_with_the_first_value_and_follows() -> None:
    new = next_season(np.array([np.nan, 10.0]), np.array([3.0, 20.0]))
    assert new.tolist() == [3.0, 14.0]
