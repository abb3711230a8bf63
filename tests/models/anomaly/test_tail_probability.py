"""Calibration: running distributions give tail probabilities of raw scores."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.tail_probability import ExcessTail, NormalTail


def test_the_surprise_of_a_log_normal_score_is_its_tail_probability() -> None:
    raw = np.exp(np.random.default_rng(0).normal(1.0, 1.0, 4000))
    tail = NormalTail(np.zeros(1), np.zeros(1))
    for i, one in enumerate(raw):
        tail = tail.learned(np.array([one]), np.array([float(i)]))
    for share in (0.1, 0.01, 0.001):
        at = np.array([np.quantile(raw, 1 - share)])
        assert tail.surprise(at)[0] == pytest.approx(-np.log10(share), abs=0.4)


def test_the_surprise_of_an_exponential_excess_is_its_tail_probability() -> None:
    raw = np.random.default_rng(1).exponential(3.0, 20_000)
    tail = ExcessTail(*(np.zeros(1) for _ in ExcessTail._fields))
    for i, one in enumerate(raw):
        tail = tail.learned(np.array([one]), np.array([float(i)]))
    assert tail.surprise(np.array([1.0]))[0] == 0
    for share in (1e-3, 1e-5):
        at = np.array([-3.0 * np.log(share)])
        assert tail.surprise(at)[0] == pytest.approx(-np.log10(share), rel=0.35)


def test_the_same_scores_at_another_scale_have_the_same_surprise() -> None:
    raw = np.random.default_rng(2).exponential(1.0, 3000)
    both = np.stack([raw, 1000 * raw], axis=1)
    tail = ExcessTail(*(np.zeros(2) for _ in ExcessTail._fields))
    for i, one in enumerate(both):
        tail = tail.learned(one, np.full(2, float(i)))
    assert np.ptp(tail.surprise(np.array([9.0, 9000.0]))) < 1e-6
