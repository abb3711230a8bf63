"""Calibration: probabilities of raw scores, faults that are not learned, lasting changes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.anomaly.calibration import FIRST_SCORES, LASTING_CHANGE, NUM_FIELDS, Calibration

Floats = NDArray[np.float64]


def bounds(raw: Floats) -> Floats:
    """Return the bounds of a detector that calls raw scores from 150 on clearly unusual."""
    return np.where(raw >= 150.0, 100.0, 2.5)


def learned(raw: Floats, rest: int = 50, states: Floats | None = None) -> tuple[Floats, Floats]:
    """Judge and learn raw scores (n,) of one key; return the surprises (n,) and the state."""
    rules = Calibration(3.0, rest)
    states = np.zeros((1, NUM_FIELDS)) if states is None else states
    surprises = []
    for one in raw:
        scores, bound = np.array([one]), bounds(np.array([one]))
        surprises.append(rules.judge(states, scores, bound).surprise[0])
        rules.learn(states, np.zeros(1, np.int64), scores, bound)
    return np.array(surprises), states


def usual(count: int, seed: int = 0) -> Floats:
    return np.exp(np.random.default_rng(seed).normal(2.0, 0.5, count))


def test_surprises_are_tail_probabilities_within_a_factor_of_five() -> None:
    surprises, _ = learned(usual(12_000))
    for surprise in (0.5, 1.0, 2.0):
        share = float((surprises[2000:] >= surprise).mean())
        assert -np.log10(share) == pytest.approx(surprise, abs=0.7)


def test_a_fault_of_hundreds_of_readings_stays_unusual() -> None:
    _, states = learned(usual(500))
    fault, _ = learned(np.full(400, 200.0), states=states)
    assert fault[0] > 5
    assert fault[-1] == fault[0]


def test_a_lasting_change_is_learned() -> None:
    _, states = learned(usual(500))
    change, _ = learned(np.full(2 * LASTING_CHANGE, 200.0), states=states)
    assert change[-1] < 1 < change[0]


def test_an_anomaly_among_the_first_scores_is_not_learned() -> None:
    rules, states = Calibration(3.0, 50), np.zeros((1, NUM_FIELDS))
    for one in [*usual(20), 500.0, *usual(FIRST_SCORES, seed=1)]:
        rules.learn(states, np.zeros(1, np.int64), np.array([one]), bounds(np.array([one])))
    _, expected = learned(np.concatenate([usual(20), usual(FIRST_SCORES, seed=1)]))
    assert np.allclose(states[:, :3], expected[:, :3])


def test_no_surprise_exceeds_the_bound_of_the_detector() -> None:
    _, states = learned(usual(500))
    judged = Calibration(3.0, 50).judge(states, np.array([1e300]), np.array([2.5]))
    assert judged.surprise.tolist() == [2.5]
    assert not judged.reported.any()


def test_keys_do_not_disturb_each_other() -> None:
    rules, states = Calibration(3.0, 50), np.zeros((3, NUM_FIELDS))
    series = [usual(300, seed=i) for i in range(3)]
    rows, raw = np.tile(np.arange(3), 300), np.stack(series, axis=1).ravel()
    for at in np.split(np.arange(900), 9):
        rules.learn(states, rows[at], raw[at], bounds(raw[at]))
    for row, one in enumerate(series):
        assert np.array_equal(states[row], learned(one)[1][0])
