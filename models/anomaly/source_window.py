"""The last readings of one source, scaled channel by channel: vectors of subsequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import LASTING_CHANGE
from models.feature_rows import feature_rows
from schemas import SensorReading

Floats = NDArray[np.float64]

#: Values beyond this count as this.
LARGEST = 1e30
#: A scaled value counts at most as this, and at most as that in the mean and spread: a fault
#: hardly moves them.
LARGEST_SCALED = 20.0
_MOST_LEARNED = 8.0
#: Least spread of a channel: as a share of its mean, and in its unit.
_RELATIVE_FLOOR, _ABSOLUTE_FLOOR = 1e-3, 1e-9
#: Collected values count up to so many times this range of quantiles out of it.
_RANGE, _REACH = (0.05, 0.95), 3.0
#: The longest automatic window.
_MAX_WINDOW = 1024


class SourceWindow:
    """Collects readings until it has `min_values`, then fixes channels and their scales.

    From then on, a reading is a vector of the last `window` readings' scaled values (mean 0,
    spread 1), oldest first; before the first reading, the first is repeated. A channel that a
    reading lacks is at its mean. Channels that come later are ignored; after `LASTING_CHANGE`
    readings with such a channel the source starts again, with the channels it has then.
    """

    def __init__(
        self,
        window: int,
        num_values: int,
        min_values: int,
        max_channels: int,
        is_scaled: bool = True,
    ) -> None:
        """Make a window.

        Args:
            window: readings in a vector; 0: as many as have `num_values` values, at least one.
            num_values: values of a vector if `window` is 0.
            min_values: readings to collect first.
            max_channels: channels beyond are ignored.
            is_scaled: whether vectors have scaled values, or values in their units.
        """
        self._window, self._num_values = window, num_values
        self.min_values, self.max_channels = min_values, max_channels
        self._is_scaled = is_scaled
        self.channels: list[str] = []
        self.rows: Floats = np.zeros((0, 0))
        """(held, channels) oldest first, NaN where a reading lacked the channel: first all, once
        scaled the last `length - 1`."""
        self.mean: Floats = np.zeros(0)
        self.variance: Floats = np.zeros(0)
        """(channels,) each, once scaled."""
        self.total = 0
        """Readings seen."""
        self.num_odd = 0
        """Readings with an unknown channel since the scales were fixed."""

    @property
    def is_ready(self) -> bool:
        """Whether channels and scales are fixed."""
        return len(self.mean) > 0

    @property
    def length(self) -> int:
        """Readings in a vector."""
        if self._window:
            return self._window
        return min(max(self._num_values // max(len(self.channels), 1), 1), _MAX_WINDOW)

    @property
    def spread(self) -> Floats:
        """The standard deviations (channels,), at least 0.1 % of the mean."""
        floor = np.maximum(_RELATIVE_FLOOR * np.abs(self.mean), _ABSOLUTE_FLOOR)
        return np.maximum(np.sqrt(self.variance), floor)

    def vectors(self, readings: Sequence[SensorReading]) -> Floats:
        """Return the vector (n, length * channels) of each reading as if it came next."""
        values = self._scaled(values_of(readings, self.channels))
        before = self._scaled(self.rows).ravel()
        return np.concatenate([np.tile(before, (len(values), 1)), values], axis=1)

    def append(self, readings: Sequence[SensorReading]) -> Floats:
        """Append readings in order; return their vectors (n, length * channels) if it is ready."""
        self.total += len(readings)
        if not self.is_ready:
            self._collect(readings)
            return np.zeros((0, 0))
        known = set(self.channels)
        self.num_odd += sum(not known.issuperset(reading.values) for reading in readings)
        self.rows = np.concatenate([self.rows, values_of(readings, self.channels)])
        vectors = self.all_vectors()
        self.rows = self.rows[len(self.rows) - self.length + 1 :]
        return vectors

    def all_vectors(self) -> Floats:
        """Return the vectors (held - length + 1, length * channels) of the readings held."""
        scaled, count = self._scaled(self.rows), len(self.rows) - self.length + 1
        return np.concatenate([scaled[i : i + count] for i in range(self.length)], axis=1)

    def fix_scales(self) -> Floats:
        """Fix channels and scales by what was collected; return the vectors of it.

        To be called when `is_full`.
        """
        low, high = np.nanquantile(self.rows, _RANGE, axis=0)
        reach = np.where(high > low, _REACH * (high - low), np.inf)
        usual = np.clip(self.rows, low - reach, high + reach)
        self.mean, self.variance = np.nanmean(usual, axis=0), np.nanvar(usual, axis=0)
        first = np.where(np.isnan(self.rows[:1]), self.mean, self.rows[:1])
        self.rows = np.concatenate([np.repeat(first, self.length - 1, axis=0), self.rows])
        vectors = self.all_vectors()
        self.rows = self.rows[len(self.rows) - self.length + 1 :]
        self.num_odd = 0
        return vectors

    @property
    def is_full(self) -> bool:
        """Whether enough was collected to fix the scales."""
        return not self.is_ready and len(self.rows) >= self.min_values

    @property
    def is_outdated(self) -> bool:
        """Whether unknown channels came for so long that the source has to start again."""
        return self.num_odd >= LASTING_CHANGE

    def learn_scales(self, last: Floats, rate: float) -> None:
        """Move mean and variance towards those of scaled values (n, channels), n >= 1.

        Args:
            last: scaled by the present mean and spread.
            rate: weight of all n together, in [0, 1].
        """
        spread = self.spread
        moved = np.clip(last, -_MOST_LEARNED, _MOST_LEARNED) * spread
        self.mean = self.mean + rate * moved.mean(axis=0)
        self.variance = self.variance + rate * ((moved * moved).mean(axis=0) - self.variance)

    def _collect(self, readings: Sequence[SensorReading]) -> None:
        names = {name for reading in readings for name in reading.values}
        room = self.max_channels - len(self.channels)
        new = sorted(names - set(self.channels))[: max(room, 0)]
        if new:
            self.channels = [*self.channels, *new]
            absent = np.full((len(self.rows), len(new)), np.nan)
            self.rows = np.concatenate([self.rows, absent], axis=1)
        if self.channels:
            values = values_of(readings, self.channels)
            self.rows = np.concatenate([self.rows, values[~np.isnan(values).all(axis=1)]])

    def _scaled(self, values: Floats) -> Floats:
        if not self._is_scaled:
            return np.where(np.isnan(values), self.mean, values)
        scaled = np.clip((values - self.mean) / self.spread, -LARGEST_SCALED, LARGEST_SCALED)
        return np.where(np.isnan(scaled), 0.0, scaled)


def values_of(readings: Sequence[SensorReading], channels: Sequence[str]) -> Floats:
    """Return the values (n, channels), NaN where a reading lacks one, within +-1e30."""
    values = feature_rows([reading.values for reading in readings], channels)
    return np.clip(values, -LARGEST, LARGEST)
