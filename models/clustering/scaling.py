"""Running mean and variance that forget, feature by feature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: In scaled space nothing is farther out than this: one absurd value must not be all that counts.
MAX_SCALED = 10.0
#: A value moves mean and variance as if it were at most this many deviations away; so one absurd
#: value does no lasting harm, and a change of a thousandfold is still followed within a few steps.
_MAX_MOVE = 100.0
_LEAST_STD = 1e-9


class RunningScale:
    """Decayed mean and variance of each of F features; NaN stands for a missing value."""

    def __init__(self, num_features: int) -> None:
        self.weight: Floats = np.zeros(num_features)
        """(F,) decayed number of values."""
        self.mean: Floats = np.zeros(num_features)
        self.squares: Floats = np.zeros(num_features)
        """(F,) decayed sum of squared deviations from the mean."""

    @property
    def std(self) -> Floats:
        """(F,) standard deviations, > 0."""
        deviation: Floats = np.sqrt(self.squares / np.maximum(self.weight, 1.0))
        return np.maximum(deviation, np.maximum(_LEAST_STD, _LEAST_STD * np.abs(self.mean)))

    def learn(self, values: Floats, decay: float) -> None:
        """Take in a step of (n, F) values after weighing all earlier ones by `decay`.

        Source: Chan, Golub and LeVeque, 1983, "Algorithms for Computing the Sample Variance".
        """
        values = self.within_reach(values)
        count = np.count_nonzero(~np.isnan(values), axis=0)
        mean = np.nansum(values, axis=0) / np.maximum(count, 1)
        squares = np.nansum((values - mean) ** 2, axis=0)
        old = self.weight * decay
        self.weight = old + count
        share = count / np.maximum(self.weight, 1e-300)
        apart = mean - self.mean
        self.mean = self.mean + apart * share
        self.squares = self.squares * decay + squares + apart**2 * old * share

    def within_reach(self, values: Floats) -> Floats:
        """Return (n, F) values with the absurd ones pulled in; all as they are before any."""
        reach = np.where(self.weight > 0, _MAX_MOVE * self.std, 1e100)
        return np.clip(values, self.mean - reach, self.mean + reach)

    def scaled(self, values: Floats) -> Floats:
        """Return (n, F) in deviations from the mean, within `MAX_SCALED`; 0 where missing."""
        with np.errstate(over="ignore"):
            z = np.clip((values - self.mean) / self.std, -MAX_SCALED, MAX_SCALED)
        return np.where(np.isnan(z), 0.0, z)
