"""The space in which micro-clusters live: log and scale of features by what was seen so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.clustering.scaling import RunningScale
from models.feature_rows import feature_rows
from models.snapshots import Snapshot

Floats = NDArray[np.float64]

Scale = Literal["range", "deviation", "none"]
SCALES = ("range", "deviation", "none")

#: Larger numbers are clipped, so that their squares are finite.
_LARGEST = 1e100
#: A value is learned as at most this many ranges outside of the range seen so far: one absurd
#: value does little harm, and a lasting change is followed within a few steps.
_MAX_MOVE = 10.0
#: With `scale: range`, scaled values are clipped to this many ranges outside of 0 to 1.
_MAX_OUTSIDE = 2.0
#: With `scale: deviation`, as `online_kmeans` clips.
_MAX_DEVIATIONS = 10.0
#: A range or deviation below this share of the values counts as none: the feature is constant.
_LEAST = 1e-9


class FeatureSpace:
    """Names, log and scale of F features; NaN is a missing value, and its mean stands in.

    Values are *plain* as events have them, *even* after the log, and *scaled* after the scale.
    Micro-clusters store even values: their sums stay valid when the scale moves.
    """

    def __init__(self, names: Sequence[str], scale: Scale, log: bool, half_life: float) -> None:
        """Start without any value.

        Args:
            names: of the features.
            scale: `range`: 0 to 1 over the range seen so far; `deviation`: deviations from the
                running mean; `none`.
            log: whether sign(x) * log(1 + |x|) is taken first.
            half_life: events after which the weight of a value halves; the range shrinks towards
                the mean at the same pace.
        """
        self.names, self.log, self.half_life = list(names), log, half_life
        self.scale: Scale = scale
        self.running = RunningScale(len(self.names))
        self.low: Floats = np.full(len(self.names), _LARGEST)
        """(F,) least even values seen, slowly forgotten; `_LARGEST` before there is one."""
        self.high: Floats = np.full(len(self.names), -_LARGEST)
        self.origin: Floats
        """(F,) even values that are scaled to 0."""
        self.unit: Floats
        """(F,) the difference of even values that is 1 when scaled; infinite if constant."""
        self._measure()

    def rows(self, features: Sequence[Mapping[str, float]]) -> Floats:
        """Return even values (n, F), NaN where one lacks a feature."""
        values = feature_rows(features, self.names)
        if self.log:
            return np.asarray(np.copysign(np.log1p(np.abs(values)), values))
        return np.clip(values, -_LARGEST, _LARGEST)

    def plain(self, even: Floats) -> Floats:
        """Return values in the units of the events."""
        if not self.log:
            return even
        with np.errstate(over="ignore"):
            return np.asarray(np.copysign(np.minimum(np.expm1(np.abs(even)), 1e300), even))

    def widen(self, names: Sequence[str]) -> None:
        """Append features without values; `names` are all, the present ones first."""
        more = len(names) - len(self.names)
        self.names = list(names)
        self.running.widen(more)
        self.low = np.append(self.low, np.full(more, _LARGEST))
        self.high = np.append(self.high, np.full(more, -_LARGEST))
        self._measure()

    def learn(self, even: Floats) -> Floats:
        """Learn the values (n, F), n >= 1; return them clipped and with none missing."""
        owners = np.zeros(len(even), np.int64)
        even = self._clipped(even)
        decay = 0.5 ** (len(even) / self.half_life)
        self.running.learn(even, owners, np.array([decay]))
        mean = self.running.mean[0]
        is_known = self.high >= self.low
        self.low = np.where(is_known, mean - (mean - self.low) * decay, self.low)
        self.high = np.where(is_known, mean + (self.high - mean) * decay, self.high)
        self.low = np.fmin(self.low, np.fmin.reduce(even, axis=0))
        self.high = np.fmax(self.high, np.fmax.reduce(even, axis=0))
        self._measure()
        return self._filled(even)

    def _clipped(self, even: Floats) -> Floats:
        """Clip what is absurdly far from the values so far; a constant feature may go anywhere."""
        if self.scale == "none":
            return even
        most = _MAX_MOVE if self.scale == "range" else _MAX_MOVE * _MAX_DEVIATIONS
        reach = np.minimum(most * self.unit, _LARGEST)
        is_open = reach >= _LARGEST
        mean = self.running.mean[0]
        low, high = (self.low, self.high) if self.scale == "range" else (mean, mean)
        return np.clip(
            even,
            np.where(is_open, -_LARGEST, low - reach),
            np.where(is_open, _LARGEST, high + reach),
        )

    def _filled(self, even: Floats) -> Floats:
        missing = np.isnan(even)
        return np.where(missing, self.running.mean[0], even) if missing.any() else even

    def _measure(self) -> None:
        """Set the origin and the unit by what was learned."""
        running, none = self.running, np.zeros(len(self.names))
        if self.scale == "none":
            self.origin, self.unit = none, np.ones(len(self.names))
            return
        if self.scale == "deviation":
            origin = running.mean[0]
            size = np.sqrt(running.squares[0] / np.maximum(running.weight[0], 1.0))
            least = _LEAST * np.maximum(np.abs(origin), 1.0)
        else:
            origin = np.where(self.high >= self.low, self.low, none)
            size = self.high - self.low
            least = _LEAST * np.maximum(np.abs(self.high), 1.0)
        self.origin, self.unit = origin, np.where(size > least, size, np.inf)

    def scaled(self, even: Floats) -> Floats:
        """Return scaled values (n, F); a missing one is at its mean, a constant feature is 0."""
        scaled = (self._filled(even) - self.origin) / self.unit
        if self.scale == "range":
            return np.clip(scaled, -_MAX_OUTSIDE, 1.0 + _MAX_OUTSIDE)
        if self.scale == "deviation":
            return np.clip(scaled, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
        return np.asarray(scaled)

    def arrays(self) -> dict[str, Floats]:
        """Return what a snapshot needs."""
        running = self.running
        parts = [running.weight, running.mean, running.squares, self.low[None], self.high[None]]
        return {"space": np.concatenate(parts)}

    def restore(self, saved: Snapshot) -> None:
        """Take over the values of a snapshot of a space with these names.

        Raises:
            ModelError: it is damaged.
        """
        table = saved.array("space", np.zeros(0), 5, len(self.names))
        running = self.running
        running.weight, running.mean, running.squares = table[0:1], table[1:2], table[2:3]
        self.low, self.high = table[3], table[4]
        self._measure()
