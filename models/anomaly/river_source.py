"""One source of `river_detector`: its last readings, and the detectors that learned them.

Detectors of river have no state that can be written and read without pickle, and some never
forget. So a detector lives for two spans of `window` readings: in the first it learns only, in the
second it answers as well, while the next one learns. It is a function of the readings since it
began, which are what is kept and saved: to restore, they are learned again, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.anomaly.river_kinds import LARGEST_RAW, Channels, Values, Vectors
from schemas import SensorReading

Floats = NDArray[np.float64]
Make = Callable[[], Vectors | Channels]

#: Values beyond this count as this.
LARGEST = 1e30


class RiverSource:
    """The readings and detectors of one source."""

    def __init__(self, make: Make, window: int, min_values: int, max_channels: int) -> None:
        """Make a source without readings.

        Args:
            make: makes a detector that has learned nothing; always the same one.
            window: readings of a span.
            min_values: readings to learn before the first answer, at most `window`.
            max_channels: channels that count; the others are ignored.
        """
        self._make, self.window, self._min_values = make, window, min_values
        self._max_channels = max_channels
        self.channels: list[str] = []
        self.readings: list[Values] = []
        """Those that the detectors have learned, oldest first: at most 2 * `window` - 1."""
        self.total = 0
        """Readings learned so far."""
        self._detectors: list[Vectors | Channels] | None = []
        """The one that answers, and after the first span the next one; None: not yet rebuilt."""

    def score(self, reading: SensorReading) -> float:
        """Return the raw score of a reading; NaN if there is none. Changes no answer."""
        values = self._known(reading)
        if self.total < self._min_values or not values:
            return math.nan
        raw = self._live()[0].score(values)
        return min(max(raw, 0.0), LARGEST_RAW) if math.isfinite(raw) else math.nan

    def learn(self, reading: SensorReading) -> None:
        """Learn a reading; begin and end detectors at multiples of `window`."""
        detectors = self._live()
        if self.total % self.window == 0:
            self._turn(detectors)
        self._add_channels(reading)
        values = self._known(reading)
        for detector in detectors:
            if values:
                detector.learn(values)
        self.readings.append(values)
        self.total += 1

    def _turn(self, detectors: list[Vectors | Channels]) -> None:
        """Begin a detector; if three would live, end the oldest and drop what only it needed."""
        detectors.append(self._make())
        if len(detectors) > 2:
            del detectors[0]
            del self.readings[: -self.window]
            used = {name for values in self.readings for name in values}
            self.channels = [name for name in self.channels if name in used]

    def _live(self) -> list[Vectors | Channels]:
        """Return the detectors; after a restore, let them learn the readings again."""
        if self._detectors is None:
            self._detectors = [self._make() for _ in range(min(-(-self.total // self.window), 2))]
            first = len(self.readings) - ((self.total - 1) % self.window + 1)
            for at, values in enumerate(self.readings):
                for detector in self._detectors[: 1 if at < first else 2] if values else ():
                    detector.learn(values)
        return self._detectors

    def adopt(self, channels: list[str], rows: Floats, total: int) -> None:
        """Take saved readings (held, channels), NaN for an absent value; they are learned later."""
        self.channels, self.total, self._detectors = channels, total, None
        self.readings = [
            {name: value for name, value in zip(channels, row, strict=True) if value == value}
            for row in rows.tolist()
        ]

    def rows(self) -> Floats:
        """Return the kept readings (held, channels); NaN where a reading lacked the channel."""
        rows = [[values.get(name, math.nan) for name in self.channels] for values in self.readings]
        return np.array(rows, np.float64).reshape(len(self.readings), len(self.channels))

    def _add_channels(self, reading: SensorReading) -> None:
        new = [name for name in reading.values if name not in self.channels]
        self.channels += sorted(new)[: max(self._max_channels - len(self.channels), 0)]

    def _known(self, reading: SensorReading) -> Values:
        """Return the values of known channels, in the order in which these were seen first."""
        values = reading.values
        return {
            name: min(max(float(values[name]), -LARGEST), LARGEST)
            for name in self.channels
            if name in values
        }


def held_readings(total: int, window: int) -> int:
    """Return how many readings a source keeps after learning `total`."""
    return total if total <= window else window + (total - 1) % window + 1


def names_of(sources: Sequence[RiverSource]) -> list[str]:
    """Return the channels of all sources, one after the other."""
    return [name for source in sources for name in source.channels]
