"""Random numbers by counter have the right distribution and no memory."""

from __future__ import annotations

import numpy as np

from models.forests.counted_chance import poisson, uniform


def test_numbers_are_uniform_and_independent_of_each_other() -> None:
    numbers = uniform(7, np.arange(1000)[:, None], np.arange(50)[None])
    assert numbers.shape == (1000, 50)
    assert 0 <= numbers.min() <= numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    assert abs(counts - 2500).max() < 250  # 5 standard deviations
    assert abs(np.corrcoef(numbers.T) - np.eye(50)).max() < 0.15


def test_a_number_depends_on_its_own_counters_and_the_seed_alone() -> None:
    many = uniform(7, np.arange(100), np.full(100, 3))
    assert uniform(7, np.array([42]), np.array([3]))[0] == many[42]
    assert (uniform(8, np.arange(100), np.full(100, 3)) != many).all()


def test_poisson_has_its_mean_and_variance() -> None:
    numbers = poisson(uniform(0, np.arange(40_000), np.zeros(1, np.int64)), 6.0)
    assert abs(numbers.mean() - 6) < 0.06
    assert abs(numbers.var() - 6) < 0.2
    assert abs((numbers == 0).mean() - np.exp(-6)) < 0.002
