"""Calibration: turn the raw scores of any detector into surprises, -log10 of a tail probability.

A detector's raw scores have a scale that differs from key to key. A running distribution of each
key's own scores gives them one scale, so that one threshold serves all keys. All functions work on
arrays with a row for each reading; the state is given by the caller and returned, never changed in
place. `NormalTail` fits all of a distribution, `ExcessTail` only the part above a high quantile.

Sources: Ahmad et al., 2017, "Unsupervised real-time anomaly detection for streaming data",
Neurocomputing 262 (the likelihood of a score); Siffer et al., 2017, "Anomaly Detection in Streams
with Extreme Value Theory", KDD (peaks over a threshold; here with an exponential tail).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Added to raw scores (in standard deviations) before the logarithm.
_OFFSET = 0.1
#: Least variance of the logarithms: scores that differ by a few percent are alike.
_LEAST_VARIANCE = 0.02
#: One score moves a running mean by at most this many deviations: a fault is hardly learned.
_REACH = 4.0
#: Scores above this quantile form the tail, and the surprise at the quantile itself.
_QUANTILE, _QUANTILE_SURPRISE = 0.98, 1.7
_LN10 = float(np.log(10.0))
#: Weight of a new score: the distribution forgets half after 4,000 scores.
_RATE = 1.0 - 0.5 ** (1 / 4000)


class NormalTail(NamedTuple):
    """A running normal distribution of log(raw + 0.1): raw scores are roughly log-normal."""

    mean: Floats
    """(n,)"""
    variance: Floats
    """(n,)"""

    def surprise(self, raw: Floats) -> Floats:
        """Return -log10 P(score >= raw), (n,), >= 0; 0 below the mean."""
        spread = np.sqrt(self.variance + _LEAST_VARIANCE)
        z = np.maximum((np.log(raw + _OFFSET) - self.mean) / spread, 0.0)
        return _normal_surprise(z)

    def learned(self, raw: Floats, totals: Floats) -> NormalTail:
        """Return the distribution with one more score each; `totals` (n,) were learned before."""
        logs = np.log(raw + _OFFSET)
        rate = np.maximum(_RATE, 1.0 / (totals + 1.0))
        reach = _REACH * np.sqrt(self.variance + _LEAST_VARIANCE)
        reach = np.where(totals < 1.0 / _RATE / 50, np.inf, reach)
        step = np.clip(logs - self.mean, -reach, reach)
        return NormalTail(
            self.mean + rate * step, self.variance + rate * (step * step - self.variance)
        )


class ExcessTail(NamedTuple):
    """The scores' running 98 % quantile and the mean excess of the scores above it."""

    quantile: Floats
    """(n,)"""
    deviation: Floats
    """(n,) the mean distance of the scores from the quantile: the unit of its steps."""
    excess: Floats
    """(n,)"""
    num_above: Floats
    """(n,) scores above the quantile so far."""

    def surprise(self, raw: Floats) -> Floats:
        """Return -log10 P(score >= raw), (n,); 0 for all up to the quantile."""
        scale = (self.excess + 1e-3 * np.abs(self.quantile) + 1e-12) * _LN10
        over = _QUANTILE_SURPRISE + (raw - self.quantile) / scale
        return np.where(raw > self.quantile, over, 0.0)

    def learned(self, raw: Floats, totals: Floats) -> ExcessTail:
        """Return the tail with one more score each; `totals` (n,) were learned before."""
        quantile = np.where(totals < 1, raw, self.quantile)
        rate = np.maximum(0.003, 1.0 / (totals + 1.0))
        deviation = self.deviation + rate * (np.abs(raw - quantile) - self.deviation)
        is_above = raw > quantile
        num_above = self.num_above + is_above
        tail_rate = np.maximum(0.01, 1.0 / (num_above + 1.0))
        excess = self.excess + np.where(is_above, tail_rate * (raw - quantile - self.excess), 0.0)
        step = deviation * np.maximum(0.02, 3.0 / (totals + 1.0))
        moved = quantile + step * np.where(is_above, _QUANTILE, _QUANTILE - 1.0)
        return ExcessTail(moved, deviation, excess, num_above)


def _normal_surprise(z: Floats) -> Floats:
    """Return -log10 of the upper tail of the normal distribution at z >= 0, within 0.1.

    Source: Chiani, Dardari and Simon, 2003, "New exponential bounds", IEEE TWC 2(4), eq. 14.
    """
    square = z * z
    logs = np.logaddexp(np.log(1 / 12) - square / 2, np.log(1 / 4) - 2 * square / 3)
    surprise: Floats = -logs / _LN10
    return surprise
