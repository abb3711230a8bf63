"""Decayed running mean and variance of each feature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Scaled values are clipped to this, so that one absurd value does not outweigh all others.
MAX_SCALED = 10.0
#: Values are clipped to this many deviations before they are learned: one absurd value does no
#: lasting harm, and a change by a factor of a thousand is still followed within a few steps.
_MAX_MOVE = 100.0
_LEAST_STD = 1e-9


class RunningScale:
    """Decayed mean and variance of F features; NaN is a missing value."""

    def __init__(self, num_features: int) -> None:
        self.weight: Floats = np.zeros(num_features)
        """(F,) number of values, older ones counting less."""
        self.mean: Floats = np.zeros(num_features)
        self.squares: Floats = np.zeros(num_features)
        """(F,) decayed sum of squared deviations from the mean."""

    @property
    def std(self) -> Floats:
        """(F,) standard deviations, > 0."""
        deviation: Floats = np.sqrt(self.squares / np.maximum(self.weight, 1.0))
        return np.maximum(deviation, np.maximum(_LEAST_STD, _LEAST_STD * np.abs(self.mean)))

    def learn(self, values: Floats, decay: float) -> None:
        """Learn values (n, F) after multiplying the weight of earlier values by `decay`.

        Source: Chan, Golub and LeVeque, 1983, "Algorithms for Computing the Sample Variance".
        """
        values = self.clipped(values)
        count = np.count_nonzero(~np.isnan(values), axis=0)
        mean = np.nansum(values, axis=0) / np.maximum(count, 1)
        squares = np.nansum((values - mean) ** 2, axis=0)
        old = self.weight * decay
        self.weight = old + count
        share = count / np.maximum(self.weight, 1e-300)
        difference = mean - self.mean
        self.mean = self.mean + difference * share
        self.squares = self.squares * decay + squares + difference**2 * old * share

    def clipped(self, values: Floats) -> Floats:
        """Clip values (n, F) to `_MAX_MOVE` deviations; features without values: to 1e100."""
        reach = np.where(self.weight > 0, _MAX_MOVE * self.std, 1e100)
        return np.clip(values, self.mean - reach, self.mean + reach)

    def scaled(self, values: Floats) -> Floats:
        """Return values (n, F) in deviations from the mean, up to `MAX_SCALED`; 0 if missing."""
        with np.errstate(over="ignore"):
            z = np.clip((values - self.mean) / self.std, -MAX_SCALED, MAX_SCALED)
        return np.where(np.isnan(z), 0.0, z)
