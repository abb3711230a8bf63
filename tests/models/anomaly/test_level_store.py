"""Rows of channel states: turns, release and clearing."""

from __future__ import annotations

import numpy as np

from models.anomaly.level_store import NO_BIN, LevelStore, Limits

LIMITS = Limits(32, 4.0, 10)


def test_repeated_rows_learn_in_order() -> None:
    whole, single = LevelStore(4, LIMITS), LevelStore(4, LIMITS)
    rows, bins = np.array([0, 1, 0, 0, 1]), np.array([0, 1, NO_BIN, 3, 1])
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    for store in (whole, single):
        store.clear(np.array(store.allocate(2)), np.arange(2))
    whole.append(rows, bins, values)
    for i in range(5):
        single.append(rows[i : i + 1], bins[i : i + 1], values[i : i + 1])
    assert np.array_equal(whole.states, single.states)
    assert np.array_equal(whole.seasons, single.seasons, equal_nan=True)


def test_released_rows_are_used_again_and_start_empty() -> None:
    store = LevelStore(4, LIMITS)
    rows = store.allocate(1)
    store.clear(np.array(rows), np.arange(1))
    store.append(np.array(rows), np.array([0]), np.array([5.0]))
    store.release(rows)
    assert store.allocate(1) == rows
    store.clear(np.array(rows), np.arange(1))
    state, expected = store.read(np.array(rows), np.array([0]))
    assert state.total[0] == 0
    assert np.isnan(expected[0])
