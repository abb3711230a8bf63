"""The window notes that errors rise, not that they fall, and stays small."""

from __future__ import annotations

import numpy as np

from models.forests.adaptive_window import AdaptiveWindow


def run(rates: list[float], seed: int, step: int = 16) -> tuple[list[int], AdaptiveWindow]:
    chance, window = np.random.default_rng(seed), AdaptiveWindow(0.01, 0.001)
    drifts = [
        i for i, rate in enumerate(rates) if window.add(step, chance.binomial(step, rate)).is_drift
    ]
    return drifts, window


def test_a_rise_is_noted_soon() -> None:
    for seed in range(10):
        drifts, _ = run([0.1] * 200 + [0.4] * 40, seed)
        assert drifts
        assert all(200 <= drift < 220 for drift in drifts)


def test_a_steady_rate_and_one_that_falls_raise_few_alarms() -> None:
    alarms = [
        run(rates, seed)[0]
        for seed in range(10)
        for rates in ([0.2] * 500, [0.5] * 200 + [0.1] * 200)
    ]
    assert sum(map(len, alarms)) <= 1


def test_the_window_has_few_buckets_that_hold_all() -> None:
    _, window = run([0.2] * 5000, seed=3)
    assert len(window.counts) < 100
    assert sum(window.counts) == 16 * 5000


def test_no_answers_are_no_change() -> None:
    assert AdaptiveWindow(0.01, 0.001).add(0, 0) == (False, False)
