"""Decayed running mean and variance of each feature, for several models at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.clustering.seeding import sum_by

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Scaled values are clipped to this, so that one absurd value does not outweigh all others.
MAX_SCALED = 10.0
#: Values are clipped to this many deviations before they are learned: one absurd value does no
#: lasting harm, and a change by a factor of a thousand is still followed within a few steps.
_MAX_MOVE = 100.0
_LEAST_STD = 1e-9


class RunningScale:
    """Decayed mean and variance of F features of M models; NaN is a missing value.

    Each model has its own row of statistics, and `owners` says whose row a value (n, F) belongs
    to. What a row becomes depends on its own values alone, in their order.
    """

    def __init__(self, num_features: int) -> None:
        self.weight: Floats = np.zeros((1, num_features))
        """(M, F) number of values, older ones counting less."""
        self.mean: Floats = np.zeros((1, num_features))
        self.squares: Floats = np.zeros((1, num_features))
        """(M, F) decayed sum of squared deviations from the mean."""

    @classmethod
    def joined(cls, scales: Sequence[Self]) -> Self:
        """Return the rows of several, which have the same number of features."""
        joined = cls(0)
        joined.weight = np.concatenate([scale.weight for scale in scales])
        joined.mean = np.concatenate([scale.mean for scale in scales])
        joined.squares = np.concatenate([scale.squares for scale in scales])
        return joined

    def split(self) -> list[RunningScale]:
        """Return one for each row."""
        parts = [RunningScale(0) for _ in self.weight]
        for row, part in enumerate(parts):
            here = slice(row, row + 1)
            part.weight, part.mean = self.weight[here], self.mean[here]
            part.squares = self.squares[here]
        return parts

    def widen(self, num_features: int) -> None:
        """Add features without values."""
        more = np.zeros((len(self.weight), num_features))
        self.weight = np.concatenate([self.weight, more], axis=1)
        self.mean = np.concatenate([self.mean, more], axis=1)
        self.squares = np.concatenate([self.squares, more], axis=1)

    @property
    def std(self) -> Floats:
        """(M, F) standard deviations, > 0."""
        deviation: Floats = np.sqrt(self.squares / np.maximum(self.weight, 1.0))
        return np.maximum(deviation, np.maximum(_LEAST_STD, _LEAST_STD * np.abs(self.mean)))

    def learn(self, values: Floats, owners: Ints, decays: Floats) -> None:
        """Learn values (n, F) that `clipped` returned, at least one for each model.

        Args:
            values: (n, F).
            owners: (n,) the model of each.
            decays: (M,) factors of the weights of earlier values.

        Source: Chan, Golub and LeVeque, 1983, "Algorithms for Computing the Sample Variance".
        """
        num_models, is_given, decay = len(self.weight), ~np.isnan(values), decays[:, None]
        if is_given.all():
            count = np.bincount(owners, minlength=num_models)[:, None].astype(np.float64)
        else:
            count = sum_by(owners, is_given.astype(np.float64), num_models)[0]
        sums = sum_by(owners, np.where(is_given, values, 0.0), num_models)[0]
        mean = sums / np.maximum(count, 1)
        deviations = np.where(is_given, values - mean[owners], 0.0)
        squares = sum_by(owners, deviations**2, num_models)[0]
        old = self.weight * decay
        self.weight = old + count
        share = count / np.maximum(self.weight, 1e-300)
        difference = mean - self.mean
        self.mean = self.mean + difference * share
        self.squares = self.squares * decay + squares + difference**2 * old * share

    def clipped(self, values: Floats, owners: Ints) -> Floats:
        """Clip values (n, F) to `_MAX_MOVE` deviations; features without values: to 1e100."""
        reach = np.where(self.weight > 0, _MAX_MOVE * self.std, 1e100)
        low, high = self.mean - reach, self.mean + reach
        if len(low) > 1:
            low, high = low[owners], high[owners]
        return np.clip(values, low, high)

    def scaled(self, values: Floats, owners: Ints) -> Floats:
        """Return values (n, F) in deviations from the mean, up to `MAX_SCALED`; 0 if missing."""
        mean, std = self.mean, self.std
        if len(mean) > 1:
            mean, std = mean[owners], std[owners]
        with np.errstate(over="ignore"):
            z = values - mean
            z /= std
        np.clip(z, -MAX_SCALED, MAX_SCALED, out=z)
        z[np.isnan(z)] = 0.0
        return z
