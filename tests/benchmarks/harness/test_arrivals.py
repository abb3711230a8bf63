"""Loads: the rate that was asked for, and their shape."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.arrivals import bursts, poisson


def test_poisson_has_the_rate_and_the_spread() -> None:
    counts = poisson(20_000, 20.0)
    assert counts.sum() / 20 == pytest.approx(20_000, rel=0.01)
    # A Poisson count's variance is its mean.
    assert np.var(counts) == pytest.approx(np.mean(counts), rel=0.05)
    assert (poisson(100, 1.0) == poisson(100, 1.0)).all()


def test_bursts_come_at_once_and_have_the_rate() -> None:
    counts = bursts(1_000, 2.0)
    assert counts.sum() == 2_000
    assert np.flatnonzero(counts).tolist() == list(range(0, 2_000, 250))
