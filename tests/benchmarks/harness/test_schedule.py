"""Due times have the rate that was asked for, and their shape."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.schedule import bursts, even, poisson


def test_even_due_times_have_equal_gaps() -> None:
    assert even(10, 0.5).tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_poisson_due_times_have_the_rate_and_exponential_gaps() -> None:
    due = poisson(20_000, 20.0, seed=4)
    assert len(due) / 20 == pytest.approx(20_000, rel=0.01)
    assert (due[0] >= 0, due[-1] < 20) == (True, True)
    gaps = np.diff(due)
    # The standard deviation of exponential gaps is their mean.
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.02)
    assert (gaps >= 0).all()


def test_poisson_due_times_are_equal_for_an_equal_seed() -> None:
    assert (poisson(100, 1.0, 7) == poisson(100, 1.0, 7)).all()
    assert poisson(100, 1.0, 7).tolist() != poisson(100, 1.0, 8).tolist()


def test_bursts_are_due_at_once_and_have_the_rate() -> None:
    times, counts = np.unique(bursts(1_000, 2.0), return_counts=True)
    assert times.tolist() == [0.25 * i for i in range(8)]
    assert counts.tolist() == [250] * 8
